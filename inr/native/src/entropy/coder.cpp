#include "entropy/coder.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace inr::entropy {
namespace {

constexpr uint32_t kOne = 1U << 16;
constexpr uint32_t kFloor = kOne >> 7;
constexpr uint32_t kCeil = kOne - kFloor;
constexpr uint32_t kRenormalise = 1U << 24;
constexpr uint32_t kMaxCount = 126;
constexpr double kMinCostBits = 0.0113;  // the least that a decision costs
constexpr uint32_t kMaxBits = 31;
constexpr uint32_t kClasses = 8;

constexpr std::array<uint32_t, kMaxCount + 1> make_rates() {
    std::array<uint32_t, kMaxCount + 1> rates{};
    for (uint32_t n = 0; n <= kMaxCount; ++n) rates[n] = kOne / (n + 2);
    return rates;
}

constexpr auto kRates = make_rates();

// All products stay below 2^32: p is at most kCeil and a rate at most 2^15.
inline void adapt(Bit& model, bool bit) {
    const uint32_t p = model.p, rate = kRates[model.count];
    if (bit) {
        model.p = static_cast<uint16_t>(std::min(p + (((kOne - p) * rate) >> 16), kCeil));
    } else {  // the reference rounds -p rate down, so p rate is rounded up
        model.p = static_cast<uint16_t>(std::max(p - ((p * rate + kOne - 1) >> 16), kFloor));
    }
    if (model.count < kMaxCount) ++model.count;
}

inline uint32_t bit_length(uint32_t value) {
    uint32_t length = 0;
    for (; value != 0; value >>= 1) ++length;
    return length;
}

inline uint64_t magnitude_of(int64_t value) {
    const auto bits = static_cast<uint64_t>(value);
    return value < 0 ? 0 - bits : bits;
}

inline int64_t with_sign(uint32_t magnitude, bool negative) {
    return negative ? -static_cast<int64_t>(magnitude) : static_cast<int64_t>(magnitude);
}

uint32_t checked_magnitude(int64_t value) {
    const uint64_t magnitude = magnitude_of(value);
    if (magnitude >> kMaxBits != 0) {
        throw SpecError("entropy coder: magnitudes must be below 2^31; got " + std::to_string(value));
    }
    return static_cast<uint32_t>(magnitude);
}

uint32_t checked_probability(uint16_t value) {
    if (value == 0) throw SpecError("entropy coder: probabilities must be within 1..65535; got 0");
    return value;
}

// Signed integers whose magnitudes vary slowly; section 5 of inr/container/FORMAT.md has the contexts.
struct IntegerModel {
    std::array<Bit, kClasses> zero;
    Bit sign;
    std::array<std::array<Bit, kMaxBits>, kClasses> exponent;
    std::array<std::array<Bit, 3>, kMaxBits> mantissa;
    std::array<std::array<Bit, kMaxBits>, kMaxBits> low;
    uint32_t last = 0, before = 0;

    // The bit length of the sum, at most the last class.
    uint32_t context() const { return bit_length(std::min(last + before, 1U << (kClasses - 2))); }

    void push(uint32_t magnitude) {
        before = last;
        last = magnitude;
    }
};

// One more bit of magnitude for integers whose coarser magnitude is known.
struct RefinementModel {
    std::array<Bit, kMaxBits + 1> bit;
    std::array<Bit, 3> significant;
    Bit sign;
    uint32_t last = 0, before = 0;  // whether the two values before are not zero

    void push(bool nonzero) {
        before = last;
        last = nonzero ? 1 : 0;
    }
};

struct Ending {
    size_t length;
    uint64_t value;
};

// The fewest bytes (0 or 1) that, zeros after them, name a value in [low, low + width); and that value.
Ending ending(uint32_t low, uint32_t width) {
    constexpr uint64_t kWhole = uint64_t{1} << 32;
    if (low == 0) return {0, 0};
    if (uint64_t{low} + width > kWhole) return {0, kWhole};
    return {1, (uint64_t{low} + kRenormalise - 1) & ~uint64_t{kRenormalise - 1}};
}

std::string payload_of(size_t size) { return "entropy-coded payload of " + std::to_string(size) + " bytes"; }

}  // namespace

void Encoder::check_open() const {
    if (finished_) throw SpecError("entropy coder: this encoder is finished");
}

// The interval never leaves the one it began with, so there is a byte that takes the carry.
void Encoder::carry() {
    size_t i = out_.size();
    while (i > 0 && ++out_[i - 1] == 0) --i;
}

inline void Encoder::encode(uint32_t probability, bool bit) {
    const uint32_t bound = (range_ >> 16) * probability;
    if (bit) {
        range_ = bound;
    } else {
        range_ -= bound;
        const uint64_t low = uint64_t{low_} + bound;
        low_ = static_cast<uint32_t>(low);
        if (low > UINT32_MAX) carry();
    }
    while (range_ < kRenormalise) {
        out_.push_back(static_cast<uint8_t>(low_ >> 24));
        low_ <<= 8;
        range_ <<= 8;
    }
}

inline void Encoder::encode(Bit& model, bool bit) {
    encode(model.p, bit);
    adapt(model, bit);
}

void Encoder::encode_bits(const uint8_t* bits, const uint16_t* probabilities, size_t count) {
    check_open();
    for (size_t i = 0; i < count; ++i) {
        const uint8_t bit = bits[i];  // read once: another thread may write it meanwhile
        if (bit > 1) throw SpecError("entropy coder: bits must be 0 or 1; got " + std::to_string(bit));
        encode(checked_probability(probabilities[i]), bit != 0);
    }
}

template <class Model>
inline void Encoder::encode_magnitude(Model& model, uint32_t context, uint32_t magnitude) {
    const uint32_t exponent = bit_length(magnitude) - 1;
    for (uint32_t k = 0; k < exponent; ++k) encode(model.exponent[context][k], true);
    if (exponent < kMaxBits - 1) encode(model.exponent[context][exponent], false);
    uint32_t node = 0;
    for (uint32_t position = exponent; position-- > 0;) {
        const uint32_t bit = (magnitude >> position) & 1;
        if (exponent - position <= 2) {
            encode(model.mantissa[exponent][node], bit != 0);
            node = 1 + bit;
        } else {
            encode(model.low[exponent][position], bit != 0);
        }
    }
}

void Encoder::encode_integers(const int64_t* values, size_t count) {
    check_open();
    IntegerModel model;
    for (size_t i = 0; i < count; ++i) {
        const int64_t value = values[i];  // read once: another thread may write it meanwhile
        const uint32_t magnitude = checked_magnitude(value);
        const uint32_t context = model.context();
        model.push(magnitude);
        encode(model.zero[context], magnitude == 0);
        if (magnitude == 0) continue;
        encode(model.sign, value < 0);
        encode_magnitude(model, context, magnitude);
    }
}

void Encoder::encode_refinements(const int64_t* coarse, const int64_t* fine, size_t count) {
    check_open();
    RefinementModel model;
    for (size_t i = 0; i < count; ++i) {
        const int64_t known = coarse[i], value = fine[i];
        const uint32_t magnitude = checked_magnitude(value);
        const bool opposite = known != 0 && value != 0 && (known < 0) != (value < 0);
        if (magnitude_of(known) != magnitude >> 1 || opposite) {
            throw SpecError("entropy coder: " + std::to_string(known) + " is not the coarse value of " +
                            std::to_string(value));
        }
        if (known != 0) {
            encode(model.bit[bit_length(magnitude >> 1)], (magnitude & 1) != 0);
        } else {
            encode(model.significant[model.last + model.before], magnitude != 0);
            if (magnitude != 0) encode(model.sign, value < 0);
        }
        model.push(magnitude != 0);
    }
}

std::vector<uint8_t> Encoder::finish() {
    check_open();
    finished_ = true;
    const Ending end = ending(low_, range_);
    if (end.value > UINT32_MAX) carry();
    if (end.length == 1) out_.push_back(static_cast<uint8_t>(end.value >> 24));
    return std::move(out_);
}

Decoder::Decoder(const uint8_t* data, size_t size) : data_(data), size_(size), code_(window()) {}

void Decoder::check_holds(uint64_t count) const {
    if (static_cast<double>(count) * kMinCostBits > 8.0 * (static_cast<double>(size_) + 4.0)) {
        throw CorruptStream("a payload of " + std::to_string(size_) + " bytes cannot hold " + std::to_string(count) +
                            " symbols");
    }
}

// The last four bytes fetched.
uint32_t Decoder::window() const {
    uint32_t value = 0;
    for (size_t i = position_ - 4; i < position_; ++i) value = value << 8 | (i < size_ ? data_[i] : 0U);
    return value;
}

inline uint32_t Decoder::next_byte() {
    const size_t position = position_++;
    if (position < size_) return data_[position];
    if (position - size_ >= 4) throw CorruptStream(payload_of(size_) + " ends before its symbols do");
    return 0;
}

// Without a branch that depends on the bit: what cannot be foreseen should not be guessed.
inline bool Decoder::decode(uint32_t probability) {
    const uint32_t bound = (range_ >> 16) * probability;
    const bool bit = code_ < bound;
    const uint32_t rest = static_cast<uint32_t>(bit) - 1;  // all ones unless the bit is 1
    range_ = bound + (rest & (range_ - 2 * bound));
    code_ -= rest & bound;
    while (range_ < kRenormalise) {
        code_ = code_ << 8 | next_byte();
        range_ <<= 8;
    }
    return bit;
}

inline bool Decoder::decode(Bit& model) {
    const bool bit = decode(uint32_t{model.p});
    adapt(model, bit);
    return bit;
}

void Decoder::decode_bits(const uint16_t* probabilities, uint8_t* bits, size_t count) {
    Decoder state = *this;  // a copy that no pointer leads to stays in registers
    try {
        for (size_t i = 0; i < count; ++i) bits[i] = state.decode(checked_probability(probabilities[i])) ? 1 : 0;
    } catch (...) {
        *this = state;
        throw;
    }
    *this = state;
}

template <class Model>
inline uint32_t Decoder::decode_magnitude(Model& model, uint32_t context) {
    uint32_t exponent = 0;
    while (exponent < kMaxBits - 1 && decode(model.exponent[context][exponent])) ++exponent;
    uint32_t magnitude = 1, node = 0;
    for (uint32_t position = exponent; position-- > 0;) {
        uint32_t bit = 0;
        if (exponent - position <= 2) {
            bit = decode(model.mantissa[exponent][node]) ? 1 : 0;
            node = 1 + bit;
        } else {
            bit = decode(model.low[exponent][position]) ? 1 : 0;
        }
        magnitude = 2 * magnitude + bit;
    }
    return magnitude;
}

void Decoder::decode_integers(int64_t* values, size_t count) {
    IntegerModel model;
    for (size_t i = 0; i < count; ++i) {
        const uint32_t context = model.context();
        uint32_t magnitude = 0;
        bool negative = false;
        if (!decode(model.zero[context])) {
            negative = decode(model.sign);
            magnitude = decode_magnitude(model, context);
        }
        model.push(magnitude);
        values[i] = with_sign(magnitude, negative);
    }
}

void Decoder::decode_refinements(const int64_t* coarse, int64_t* fine, size_t count) {
    RefinementModel model;
    for (size_t i = 0; i < count; ++i) {
        const int64_t known = coarse[i];
        uint32_t magnitude = checked_magnitude(known);
        bool negative = known < 0;
        if (known != 0) {
            const uint32_t bit = decode(model.bit[bit_length(magnitude)]) ? 1 : 0;
            magnitude = 2 * magnitude + bit;
            if (magnitude >> kMaxBits != 0) {
                throw CorruptStream("entropy-coded magnitude " + std::to_string(magnitude) + " is not below 2^31");
            }
        } else if (decode(model.significant[model.last + model.before])) {
            magnitude = 1;
            negative = decode(model.sign);
        }
        model.push(magnitude != 0);
        fine[i] = with_sign(magnitude, negative);
    }
}

void Decoder::finish() const {
    // the interval starts one short of 2^32, and this is what it lacks
    if (size_ >= 4 && data_[0] == 0xff && data_[1] == 0xff && data_[2] == 0xff && data_[3] == 0xff) {
        throw CorruptStream(payload_of(size_) + " does not begin as it should");
    }
    const uint32_t found = window();
    const Ending end = ending(found - code_, range_);
    const size_t expected = position_ - 4 + end.length;
    if (size_ != expected) {
        throw CorruptStream("entropy-coded payload has " + std::to_string(size_) + " bytes; its symbols take " +
                            std::to_string(expected) + " bytes");
    }
    if (found != static_cast<uint32_t>(end.value)) {
        throw CorruptStream(payload_of(size_) + " does not end as it should");
    }
}

}  // namespace inr::entropy
