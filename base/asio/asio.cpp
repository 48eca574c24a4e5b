// Asio's compiled part, once for the whole program (BOOST_ASIO_SEPARATE_COMPILATION), that of TLS
// included.
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
