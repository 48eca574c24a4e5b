// The page check on a store that was damaged: it must end, read nothing that is not there, and
// deliver nothing but octets of the file. The store is made once; the input says what becomes of
// it: steps of a place (4 octets), a length (1) and that many octets to write there; a length of
// 255 cuts the file at that place.
#include "store/pages.h"

#include "store/location.h"
#include "store/store.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <sys/mman.h>

#include <unistd.h>

namespace store = postern::store;
namespace policy = postern::policy;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// With values of every form: on pages of their own, as trees, on overflow pages.
std::string make_octets() {
  std::string name = (std::filesystem::temp_directory_path() / "postern-fuzz-XXXXXX").string();
  require(::mkdtemp(name.data()) != nullptr);
  const std::filesystem::path path = name;
  {
    auto made = store::Store::open(
        {.path = path, .mode = store::Mode::create, .map_size = 1ULL << 26U, .providers = {}});
    require(made.has_value());
    std::vector<store::Change> changes;
    for (int i = 0; i < 600; ++i) {
      store::PlaceHold hold;
      hold.address.text = i < 300 ? "often@example.com" : std::to_string(i) + "@example.com";
      hold.scope = {policy::Scope::Kind::stream, "stream" + std::to_string(i % 300)};
      hold.origin.source = "fuzz";
      hold.origin.note = std::string(static_cast<std::size_t>(i), 'x');
      changes.emplace_back(std::move(hold));
    }
    require((*made)->change(changes, postern::Time{}).has_value());
  }
  std::ifstream in(store::data_file(path), std::ios::binary);
  std::string octets{std::istreambuf_iterator<char>(in), {}};
  std::filesystem::remove_all(path);
  return octets;
}

void damage(std::string& octets, const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t step = 5;
  constexpr std::size_t cut = 255;
  while (size >= step) {
    const std::size_t at = (data[0] | std::size_t{data[1]} << 8U | std::size_t{data[2]} << 16U |
                            std::size_t{data[3]} << 24U) %
                           (octets.size() + 1);
    const std::size_t length = data[4];
    data += step;
    size -= step;
    if (length == cut) {
      octets.resize(at);
      continue;
    }
    for (std::size_t i = 0; i < length && size > 0; ++i, ++data, --size) {
      if (at + i < octets.size()) octets[at + i] = static_cast<char>(*data);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string sound = make_octets();
  static const int file = ::memfd_create("postern-fuzz", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  std::string octets = sound;
  damage(octets, data, size);
  require(::ftruncate(file, 0) == 0);
  require(::pwrite(file, octets.data(), octets.size(), 0) == static_cast<::ssize_t>(octets.size()));
  std::size_t delivered = 0;
  const auto report =
      store::check_pages(path, [&](std::string_view, store::Octets key, store::Octets value) {
        delivered += key.size() + value.size();
      });
  if (!report) return 0;
  // A key comes with each of its values, which have an octet at least; a value comes once.
  constexpr std::size_t longest_key = 511;
  require(delivered <= octets.size() * (longest_key + 1));
  if (octets == sound) require(report->sound());
  return 0;
}
