#include "store/siphash.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

namespace postern::store {
namespace {

static_assert(std::endian::native == std::endian::little);

std::uint64_t word_at(const void* octets) {
  std::uint64_t word = 0;
  std::memcpy(&word, octets, sizeof word);
  return word;
}

class State {
 public:
  State(std::uint64_t k0, std::uint64_t k1)
      : v0_(k0 ^ 0x736f'6d65'7073'6575U),
        v1_(k1 ^ 0x646f'7261'6e64'6f6dU ^ 0xeeU),  // 0xee: of the long output
        v2_(k0 ^ 0x6c79'6765'6e65'7261U),
        v3_(k1 ^ 0x7465'6462'7974'6573U) {}

  void take(std::uint64_t word) {
    v3_ ^= word;
    round();
    round();
    v0_ ^= word;
  }

  std::uint64_t first_half() {
    v2_ ^= 0xeeU;
    return finish();
  }
  std::uint64_t second_half() {
    v1_ ^= 0xddU;
    return finish();
  }

 private:
  void round() {
    v0_ += v1_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v3_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ += v3_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ += v1_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v2_ = std::rotl(v2_, 32);
  }
  std::uint64_t finish() {
    for (int i = 0; i < 4; ++i) round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

  std::uint64_t v0_, v1_, v2_, v3_;
};

// `left`: what is left of the text, less than a word. The last word has the length modulo 256 too.
std::array<std::uint8_t, 16> finished(State& state, std::uint64_t left, std::size_t size) {
  state.take(left | std::uint64_t{size} << 56U);
  const std::array halves{state.first_half(), state.second_half()};
  return std::bit_cast<std::array<std::uint8_t, 16>>(halves);
}

std::array<std::uint8_t, 16> whole(State& state, std::string_view text) {
  const std::size_t size = text.size();
  for (; text.size() >= sizeof(std::uint64_t); text.remove_prefix(sizeof(std::uint64_t))) {
    state.take(word_at(text.data()));
  }
  std::uint64_t left = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    left |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
  }
  return finished(state, left, size);
}

}  // namespace

std::array<std::uint8_t, 16> siphash(const std::array<std::uint8_t, 16>& key,
                                     std::initializer_list<std::string_view> pieces) {
  State state(word_at(key.data()), word_at(key.data() + 8));
  if (pieces.size() == 1) return whole(state, *pieces.begin());
  std::array<char, 8> left{};  // the beginning of a word
  std::size_t have = 0;
  std::size_t size = 0;
  for (std::string_view piece : pieces) {
    size += piece.size();
    if (have != 0) {
      const std::size_t more = std::min(left.size() - have, piece.size());
      std::copy_n(piece.begin(), more, left.begin() + have);
      have += more;
      piece.remove_prefix(more);
      if (have < left.size()) continue;
      state.take(word_at(left.data()));
    }
    for (; piece.size() >= left.size(); piece.remove_prefix(left.size())) {
      state.take(word_at(piece.data()));
    }
    have = piece.size();
    std::ranges::copy(piece, left.begin());
  }
  std::fill(left.begin() + have, left.end(), '\0');
  return finished(state, word_at(left.data()), size);
}

}  // namespace postern::store
