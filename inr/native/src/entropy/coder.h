// Bits and integers to bytes and back: the compiled twin of inr/entropy, bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace inr::entropy {

// The caller asks for what makes no sense.
struct SpecError : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

// A payload is not what the encoder writes.
struct CorruptStream : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The adaptive probability of a 1 in one context, and how often the context was seen.
struct Bit {
    uint16_t p = 1U << 15;
    uint16_t count = 0;
};

// Bits come with the probability of a 1 in 1/65536, never 0. Every call of another encode_* or decode_* is one span of
// symbols with a fresh adaptive model.
class Encoder {
public:
    void encode_bits(const uint8_t* bits, const uint16_t* probabilities, size_t count);
    void encode_integers(const int64_t* values, size_t count);
    void encode_refinements(const int64_t* coarse, const int64_t* fine, size_t count);
    // The shortest bytes that decode to what was coded; every later call is refused.
    std::vector<uint8_t> finish();

private:
    void check_open() const;
    void carry();
    void encode(uint32_t probability, bool bit);
    void encode(Bit& model, bool bit);
    template <class Model>
    void encode_magnitude(Model& model, uint32_t context, uint32_t magnitude);

    uint32_t low_ = 0;
    uint32_t range_ = UINT32_MAX;
    std::vector<uint8_t> out_;
    bool finished_ = false;
};

// Reads the caller's bytes, which must outlive it. Once the bytes have run out, every further decision fails.
class Decoder {
public:
    Decoder(const uint8_t* data, size_t size);

    // Refuses more symbols than the payload can hold. To be called before memory is taken for them.
    void check_holds(uint64_t count) const;
    void decode_bits(const uint16_t* probabilities, uint8_t* bits, size_t count);
    void decode_integers(int64_t* values, size_t count);
    void decode_refinements(const int64_t* coarse, int64_t* fine, size_t count);
    // Whether the payload ends as the encoder would end it here; changes nothing.
    void finish() const;

private:
    uint32_t window() const;
    uint32_t next_byte();
    bool decode(uint32_t probability);
    bool decode(Bit& model);
    template <class Model>
    uint32_t decode_magnitude(Model& model, uint32_t context);

    const uint8_t* data_;
    size_t size_;
    size_t position_ = 4;  // bytes fetched, among them the zeros beyond the end
    uint32_t range_ = UINT32_MAX;
    uint32_t code_;
};

}  // namespace inr::entropy
