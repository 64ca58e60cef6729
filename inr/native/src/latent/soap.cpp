#include "latent/soap.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace inr {
namespace latent {

namespace {

using Numbers = std::vector<double>;

// x (before, length, after) times a matrix (length, length) along its middle: out[.., j, ..] = sum_i x[.., i, ..] m(i,
// j), or m(j, i) if it is transposed.
void turn(Numbers& x, const double* m, int64_t before, int64_t length, int64_t after, bool transposed) {
    Numbers out(x.size(), 0.0);
    for (int64_t b = 0; b < before; ++b)
        for (int64_t i = 0; i < length; ++i)
            for (int64_t j = 0; j < length; ++j) {
                const double weight = transposed ? m[j * length + i] : m[i * length + j];
                const double* from = x.data() + (b * length + i) * after;
                double* to = out.data() + (b * length + j) * after;
                for (int64_t a = 0; a < after; ++a) to[a] += weight * from[a];
            }
    x.swap(out);
}

// m = keep m + share g g^T along the middle of g (before, length, after).
void observe(double* m, const double* g, int64_t before, int64_t length, int64_t after, double share, double keep) {
    for (int64_t i = 0; i < length; ++i)
        for (int64_t j = 0; j <= i; ++j) {
            double total = 0;
            for (int64_t b = 0; b < before; ++b) {
                const double* p = g + (b * length + i) * after;
                const double* q = g + (b * length + j) * after;
                for (int64_t a = 0; a < after; ++a) total += p[a] * q[a];
            }
            const double value = keep * m[i * length + j] + share * total;
            m[i * length + j] = m[j * length + i] = value;
        }
}

// Eigenvectors of a symmetric matrix as columns, by falling eigenvalue (Jacobi's rotations).
void eigenvectors(const double* matrix, double* basis, int64_t n) {
    Numbers a(matrix, matrix + n * n);
    std::fill_n(basis, n * n, 0.0);
    for (int64_t i = 0; i < n; ++i) basis[i * n + i] = 1;
    for (int sweep = 0; sweep < 30; ++sweep) {
        double off = 0, all = 0;
        for (int64_t i = 0; i < n; ++i)
            for (int64_t j = 0; j < n; ++j) {
                all += a[i * n + j] * a[i * n + j];
                if (i != j) off += a[i * n + j] * a[i * n + j];
            }
        if (!(off > 1e-22 * all)) break;
        for (int64_t p = 0; p < n; ++p)
            for (int64_t q = p + 1; q < n; ++q) {
                if (a[p * n + q] == 0) continue;
                const double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
                const double t = (theta < 0 ? -1 : 1) / (std::fabs(theta) + std::sqrt(theta * theta + 1));
                const double c = 1 / std::sqrt(t * t + 1), s = t * c;
                for (int64_t k = 0; k < n; ++k) {
                    const double x = a[k * n + p], y = a[k * n + q];
                    a[k * n + p] = c * x - s * y;
                    a[k * n + q] = s * x + c * y;
                }
                for (int64_t k = 0; k < n; ++k) {
                    const double x = a[p * n + k], y = a[q * n + k];
                    a[p * n + k] = c * x - s * y;
                    a[q * n + k] = s * x + c * y;
                }
                for (int64_t k = 0; k < n; ++k) {
                    const double x = basis[k * n + p], y = basis[k * n + q];
                    basis[k * n + p] = c * x - s * y;
                    basis[k * n + q] = s * x + c * y;
                }
            }
    }
    std::vector<int64_t> order(static_cast<size_t>(n));
    std::iota(order.begin(), order.end(), int64_t{0});
    std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) { return a[i * n + i] > a[j * n + j]; });
    const Numbers found(basis, basis + n * n);
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < n; ++j) basis[i * n + j] = found[i * n + order[static_cast<size_t>(j)]];
}

// Orthonormal columns that span what the first columns of m span, for every number of them (Householder).
void orthonormal(Numbers m, double* q, int64_t n) {
    Numbers vectors(static_cast<size_t>(n * n), 0.0);
    for (int64_t k = 0; k < n; ++k) {
        double norm = 0;
        for (int64_t i = k; i < n; ++i) norm += m[i * n + k] * m[i * n + k];
        norm = std::sqrt(norm);
        double* v = vectors.data() + k * n;
        for (int64_t i = k; i < n; ++i) v[i] = m[i * n + k];
        v[k] += v[k] < 0 ? -norm : norm;
        double length = 0;
        for (int64_t i = k; i < n; ++i) length += v[i] * v[i];
        if (length == 0) continue;
        for (int64_t i = k; i < n; ++i) v[i] /= std::sqrt(length);
        for (int64_t j = k; j < n; ++j) {
            double along = 0;
            for (int64_t i = k; i < n; ++i) along += v[i] * m[i * n + j];
            for (int64_t i = k; i < n; ++i) m[i * n + j] -= 2 * along * v[i];
        }
    }
    std::fill_n(q, n * n, 0.0);
    for (int64_t i = 0; i < n; ++i) q[i * n + i] = 1;
    for (int64_t k = n; k-- > 0;) {
        const double* v = vectors.data() + k * n;
        for (int64_t j = 0; j < n; ++j) {
            double along = 0;
            for (int64_t i = k; i < n; ++i) along += v[i] * q[i * n + j];
            for (int64_t i = k; i < n; ++i) q[i * n + j] -= 2 * along * v[i];
        }
    }
}

// One power iteration of a basis, columns by falling eigenvalue; `square` (before, length, after) moves with them.
void renew(const double* outer, double* basis, double* square, int64_t before, int64_t n, int64_t after) {
    Numbers product(static_cast<size_t>(n * n), 0.0), estimate(static_cast<size_t>(n), 0.0);
    for (int64_t i = 0; i < n; ++i)
        for (int64_t k = 0; k < n; ++k)
            for (int64_t j = 0; j < n; ++j) product[i * n + j] += outer[i * n + k] * basis[k * n + j];
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < n; ++j) estimate[static_cast<size_t>(j)] += basis[i * n + j] * product[i * n + j];
    std::vector<int64_t> order(static_cast<size_t>(n));
    std::iota(order.begin(), order.end(), int64_t{0});
    std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
        return estimate[static_cast<size_t>(i)] > estimate[static_cast<size_t>(j)];
    });
    const Numbers before_square(square, square + before * n * after);
    Numbers sorted(product.size());
    for (int64_t j = 0; j < n; ++j) {
        const int64_t from = order[static_cast<size_t>(j)];
        for (int64_t i = 0; i < n; ++i) sorted[static_cast<size_t>(i * n + j)] = product[i * n + from];
        for (int64_t b = 0; b < before; ++b)
            std::copy_n(before_square.data() + (b * n + from) * after, after, square + (b * n + j) * after);
    }
    orthonormal(sorted, basis, n);
}

}  // namespace

Soap::Soap(const std::vector<Tensor>& tensors, const SoapSettings& settings) : settings_(settings) {
    const auto take = [this](int64_t count) {
        const int64_t found = size_;
        size_ += count;
        return found;
    };
    for (const Tensor& tensor : tensors) {
        Place place{tensor.place, tensor.size(), take(1), take(tensor.size()), take(tensor.size()), {}, false};
        place.matrix = tensor.shape.size() > 1;
        int64_t before = 1;
        for (size_t i = 0; place.matrix && i < tensor.shape.size(); before *= tensor.shape[i++]) {
            const int64_t n = tensor.shape[i];
            if (n > 1 && n <= settings.largest)
                place.sides.push_back({before, n, place.size / before / n, take(n * n), take(n * n)});
        }
        places_.push_back(place);
    }
}

void Soap::step(double* state, float* params, const float* gradients, const float* anchor, float rate) const {
    for (const Place& place : places_) {
        const Numbers gradient(gradients + place.params, gradients + place.params + place.size);
        const double* const basis = place.sides.empty() ? nullptr : state + place.sides.front().basis;
        const bool first = basis != nullptr && std::all_of(basis, basis + place.sides.front().length,
                                                           [](double value) { return value == 0; });
        if (!first) {
            move(place, state, params + place.params, gradient.data(),
                 anchor == nullptr ? nullptr : anchor + place.params, static_cast<double>(rate));
            continue;
        }
        // The first gradient only sets the basis: a step in a basis fitted to that one gradient would mislead.
        for (const Side& side : place.sides) {
            observe(state + side.outer, gradient.data(), side.before, side.length, side.after,
                    1.0 - static_cast<double>(settings_.beta2), 0.0);
            eigenvectors(state + side.outer, state + side.basis, side.length);
        }
    }
}

void Soap::move(const Place& place, double* state, float* params, const double* gradient, const float* anchor,
                double rate) const {
    const double beta1 = static_cast<double>(settings_.beta1), beta2 = static_cast<double>(settings_.beta2);
    const double steps = state[place.steps] += 1;
    double *mean = state + place.mean, *square = state + place.square;
    for (int64_t i = 0; i < place.size; ++i) mean[i] += (1 - beta1) * (gradient[i] - mean[i]);
    Numbers turned(gradient, gradient + place.size), moved(mean, mean + place.size);
    for (const Side& side : place.sides) {
        turn(turned, state + side.basis, side.before, side.length, side.after, false);
        turn(moved, state + side.basis, side.before, side.length, side.after, false);
    }
    for (int64_t i = 0; i < place.size; ++i) {
        const double g = turned[static_cast<size_t>(i)];
        square[i] = beta2 * square[i] + (1 - beta2) * g * g;
        moved[static_cast<size_t>(i)] /= std::sqrt(square[i]) + static_cast<double>(settings_.epsilon);
    }
    for (const Side& side : place.sides) turn(moved, state + side.basis, side.before, side.length, side.after, true);
    const double correction = std::sqrt(1 - std::pow(beta2, steps)) / (1 - std::pow(beta1, steps));
    const double decay = rate * static_cast<double>(settings_.decay);
    for (int64_t i = 0; i < place.size; ++i) {
        const double target = anchor == nullptr ? 0.0 : static_cast<double>(anchor[i]);
        const double value = static_cast<double>(params[i]) - rate * correction * moved[static_cast<size_t>(i)];
        params[i] = static_cast<float>(value - decay * (value - target));
    }
    for (const Side& side : place.sides)
        observe(state + side.outer, gradient, side.before, side.length, side.after, 1 - beta2, beta2);
    if (!place.sides.empty() && static_cast<int64_t>(steps) % settings_.every == 0)
        for (const Side& side : place.sides)
            renew(state + side.outer, state + side.basis, square, side.before, side.length, side.after);
}

}  // namespace latent
}  // namespace inr
