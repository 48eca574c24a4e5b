# cmake -DFILES=a;b -DPART=web -DNAMESPACE=postern::web -DOUT=embedded.cpp -P embed.cmake: the files' octets as the table of
# PART/embedded.h.
set(arrays "")
set(table "")
set(index 0)
foreach(file IN LISTS FILES)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," octets "${hex}")
  string(APPEND arrays "constexpr unsigned char file_${index}[] = {${octets}};\n")
  string(APPEND table "    {\"${file}\", {reinterpret_cast<const char*>(file_${index}), sizeof file_${index}}},\n")
  math(EXPR index "${index} + 1")
endforeach()
file(WRITE ${OUT} "#include \"${PART}/embedded.h\"

namespace ${NAMESPACE} {
namespace {
${arrays}
const EmbeddedFile files[] = {
${table}};
}  // namespace

std::span<const EmbeddedFile> embedded_files() { return files; }

}  // namespace ${NAMESPACE}
")
