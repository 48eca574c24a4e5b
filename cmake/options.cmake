# One set of options for every target: coroutine frames and Asio's types must agree across files.
add_library(postern_options INTERFACE)
target_compile_features(postern_options INTERFACE cxx_std_23)
target_compile_options(postern_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  -Wimplicit-fallthrough -Werror -pthread -fno-omit-frame-pointer)
target_link_options(postern_options INTERFACE -pthread -fuse-ld=lld)

if(POSTERN_SANITIZE)
  target_compile_options(postern_options INTERFACE
    -fsanitize=${POSTERN_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(postern_options INTERFACE -fsanitize=${POSTERN_SANITIZE})
endif()
if(POSTERN_FUZZ)
  # Coverage feedback in every library; the fuzzer's main only in the targets of tests/fuzz.
  target_compile_options(postern_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# What most files include, read once for each target. Only where a build from nothing is what costs (scripts/test): a file
# that forgets an include is not noticed with it.
option(POSTERN_PCH "Precompile the headers that most files include" OFF)
set(headers_of_all
  <algorithm> <array> <atomic> <chrono> <deque> <expected> <filesystem> <functional> <map> <memory> <mutex> <optional>
  <ranges> <set> <span> <sstream> <string> <string_view> <thread> <unordered_map> <utility> <variant> <vector> <fmt/format.h>)
set(headers_of_sockets
  <boost/asio/as_tuple.hpp> <boost/asio/awaitable.hpp> <boost/asio/co_spawn.hpp> <boost/asio/io_context.hpp>
  <boost/asio/ip/tcp.hpp> <boost/asio/steady_timer.hpp> <boost/asio/use_awaitable.hpp>)
function(postern_precompile target)
  if(NOT POSTERN_PCH)
    return()
  endif()
  target_precompile_headers(${target} PRIVATE ${headers_of_all})
  if(target MATCHES "_(proxy|web)$")
    target_precompile_headers(${target} PRIVATE ${headers_of_sockets})
  endif()
endfunction()

# A library of ours: the sources of its folder, and after USES the only things that it may include. Its headers are seen
# as "FOLDER/file.h" through a tree of links that only those who link it have on their path: a wrong include does not
# compile.
function(postern_library name)
  cmake_parse_arguments(ARG "" "FOLDER" "USES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_library(postern_${name} STATIC ${sources})
  set(tree ${CMAKE_BINARY_DIR}/include/${name})
  cmake_path(GET ARG_FOLDER PARENT_PATH parent)
  file(MAKE_DIRECTORY ${tree}/${parent})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${tree}/${ARG_FOLDER} SYMBOLIC)
  target_include_directories(postern_${name} PUBLIC ${tree})
  target_link_libraries(postern_${name} PUBLIC postern_options ${ARG_USES})
  postern_precompile(postern_${name})
endfunction()
