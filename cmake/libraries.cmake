# What comes from Debian. Each library of ours links the ones that its folder may use, nothing else.
find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(Boost 1.81.0 EXACT REQUIRED CONFIG COMPONENTS json)
pkg_check_modules(LMDB REQUIRED IMPORTED_TARGET lmdb)
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd)
pkg_check_modules(IDN2 REQUIRED IMPORTED_TARGET libidn2)
find_library(UNISTRING unistring REQUIRED)
find_path(MUSTACHE kainjow/mustache.hpp REQUIRED)
find_library(MIMETIC mimetic REQUIRED)
find_path(MIMETIC_INCLUDE mimetic/mimetic.h REQUIRED)

add_library(postern_unistring INTERFACE)
target_link_libraries(postern_unistring INTERFACE ${UNISTRING})

# Its headers say `register`, which C++17 took out of the language: as a system's they may.
add_library(postern_mimetic INTERFACE)
target_include_directories(postern_mimetic SYSTEM INTERFACE ${MIMETIC_INCLUDE})
target_link_libraries(postern_mimetic INTERFACE ${MIMETIC})

# Asio and Beast are compiled once (base/asio); every user of it sees the same definitions.
add_library(postern_asio_headers INTERFACE)
target_link_libraries(postern_asio_headers INTERFACE Boost::headers)
target_compile_definitions(postern_asio_headers INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_STD_COROUTINE_EXPERIMENTAL
  # Asio keeps two frames for the next coroutine, and none above 1,020 octets; malloc() does better. A frame used again
  # would hide a use after free from the sanitizers, too.
  BOOST_ASIO_DISABLE_AWAITABLE_FRAME_RECYCLING)
