// One decode step of a Llama-like model on the CPU: a token for each of several sequences, all layers in one call.
//
// Why not torch: at a few rows each product is over in tens of microseconds, and what torch spends between them, and in
// its fused attention at one query, is more than the products themselves (docs/decisions/0014). `library.py` calls
// this by ctypes, `engines/llama.py` is the same arithmetic in torch, and tests compare the two.
// Weights stay as torch holds them, row by row [out, in], so that prefill uses the same memory; activations are float32.
// Letters in shapes as in engines/llama.py: L layers, H hidden, Q query heads, K key/value heads, G = Q / K, D head
// size, F feed-forward, V vocabulary, B rows of this step, S tokens in a block of the cache.

#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

// What `library.py` fills in; the order and types of the fields are repeated there.
extern "C" {
struct NereidLayer {
  const void *attention_norm, *qkv, *qkv_bias, *q_norm, *k_norm, *output, *feed_forward_norm, *gate_up, *down;
};
struct NereidModel {
  int32_t dtype;  // 0 float32, 1 bfloat16, 2 float16
  int32_t layers, hidden, query_heads, kv_heads, head_size, feed_forward, vocabulary, threads, max_rows;
  float norm_eps;
  const NereidLayer* layer;
  const void *embedding, *norm, *head;
};
struct NereidStep {
  int32_t rows, table_width, wanted_rows;
  const int32_t *tokens, *positions, *tables;  // [B], [B], [B, table_width]: the blocks of each row's sequence
  const int32_t* wanted;                       // [W]: the rows whose logits are asked for
  const float *cos, *sin;                      // [B, D / 2]
  void *keys, *values;                         // [L, blocks, K, 16, D], written in place
  int64_t layer_stride;                        // elements from one layer of them to the next
  float* logits;                               // [W, V]
};
}

namespace {

constexpr int kLanes = 16;  // floats in a vector, and tokens in a block of the cache
// About 20 us of looking before a thread gives its core away: longer than a balanced part of a step, shorter than a slice.
constexpr int kSpins = 1 << 11;

typedef float Floats __attribute__((vector_size(64)));
typedef float LooseFloats __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t Ints __attribute__((vector_size(64)));
typedef uint32_t Words __attribute__((vector_size(64)));
typedef uint16_t Halves __attribute__((vector_size(32)));
typedef uint16_t LooseHalves __attribute__((vector_size(32), aligned(2), may_alias));

struct BFloat16 {
  uint16_t bits;
};
struct Float16 {
  uint16_t bits;
};

inline Floats load(const float* at) { return *reinterpret_cast<const LooseFloats*>(at); }

inline Floats load(const BFloat16* at) {
  const LooseHalves halves = *reinterpret_cast<const LooseHalves*>(at);
  return reinterpret_cast<Floats>(__builtin_convertvector(halves, Words) << 16);
}

inline Floats load(const Float16* at) {
#if defined(__AVX512F__)
  return reinterpret_cast<Floats>(_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at))));
#elif defined(__F16C__)
  Floats out;
  for (int half = 0; half < 2; ++half) {
    const __m256 eight = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at + 8 * half)));
    std::memcpy(reinterpret_cast<char*>(&out) + 32 * half, &eight, 32);
  }
  return out;
#else
  Floats out;
  for (int i = 0; i < kLanes; ++i) {
    _Float16 value;
    std::memcpy(&value, at + i, 2);
    out[i] = static_cast<float>(value);
  }
  return out;
#endif
}

inline Floats spread(float value) { return value - Floats{}; }

inline Words spread_words(uint32_t value) { return value - Words{}; }

inline void store(float* at, float value) { *at = value; }

inline void store(BFloat16* at, float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  // To the nearest, ties to even, as torch does it; what is no number stays one.
  at->bits = std::isnan(value) ? 0x7fc0 : static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

inline void store(Float16* at, float value) {
#if defined(__F16C__)
  at->bits = static_cast<uint16_t>(_cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT));
#else
  const _Float16 half = static_cast<_Float16>(value);
  std::memcpy(at, &half, 2);
#endif
}

inline void store(float* at, Floats value) { *reinterpret_cast<LooseFloats*>(at) = value; }

inline void store(BFloat16* at, Floats value) {
  const Words bits = reinterpret_cast<Words>(value);
  const Words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  *reinterpret_cast<LooseHalves*>(at) = __builtin_convertvector(value != value ? spread_words(0x7fc0) : rounded, Halves);
}

inline float sum(Floats v) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps(reinterpret_cast<__m512>(v));
#else
  float total = 0;
  for (int i = 0; i < kLanes; ++i) total += v[i];
  return total;
#endif
}

// exp with the polynomial of Cephes' expf: 2^n times a polynomial of the rest, within 2 units in the last place.
inline Floats exponential(Floats x) {
  x = x < -87.0f ? spread(-87.0f) : x;
  x = x > 88.0f ? spread(88.0f) : x;
  const Floats magic = spread(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
  const Floats n = (x * 1.44269504088896341f + magic) - magic;
  const Floats r = x - n * 0.693359375f - n * -2.12194440e-4f;
  Floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const Ints exponent = (__builtin_convertvector(n, Ints) + 127) << 23;
  return p * reinterpret_cast<Floats>(exponent);
}

// Threads that sleep between steps and, within one, wait for each other by looking a little and then yielding.
class Team {
 public:
  explicit Team(int size) : size_(size) {
    for (int i = 1; i < size; ++i) workers_.emplace_back([this, i] { work(i); });
  }
  ~Team() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      ended_ = true;
    }
    wake_.notify_all();
    for (auto& worker : workers_) worker.join();
  }
  int size() const { return size_; }

  // Call `part(member)` in every member, the caller being number 0; back when all are done.
  template <class Part>
  void run(const Part& part) {
    call_ = [](const void* closure, int member) { (*static_cast<const Part*>(closure))(member); };
    closure_ = &part;
    if (size_ > 1) {
      {
        std::lock_guard<std::mutex> lock(mutex_);
        ++round_;
      }
      wake_.notify_all();
    }
    part(0);
    meet();
  }

  // Wait until every member is here.
  void meet() {
    if (size_ == 1) return;
    const uint32_t turn = turn_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
      arrived_.store(0, std::memory_order_relaxed);
      turn_.store(turn + 1, std::memory_order_release);
      return;
    }
    for (int spin = 0; turn_.load(std::memory_order_acquire) == turn; ++spin) {
      if (spin < kSpins) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
      } else {
        std::this_thread::yield();
      }
    }
  }

 private:
  void work(int member) {
    uint64_t seen = 0;
    for (;;) {
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return ended_ || round_ != seen; });
        if (ended_) return;
        seen = round_;
      }
      call_(closure_, member);
      meet();
    }
  }

  const int size_;
  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;
  uint64_t round_ = 0;
  void (*call_)(const void*, int) = nullptr;
  const void* closure_ = nullptr;
  std::atomic<int> arrived_{0};
  std::atomic<uint32_t> turn_{0};
};

// What a product takes as x beside weights of type W: bfloat16 where the processor multiplies pairs of them at once.
template <class W>
struct InputOf {
  using type = float;
  static constexpr int kStep = kLanes;
};
#if defined(__AVX512BF16__)
template <>
struct InputOf<BFloat16> {
  using type = BFloat16;
  static constexpr int kStep = 2 * kLanes;
};

inline Floats multiply(Floats sum, const BFloat16* w, const BFloat16* x) {
  const auto words = [](const BFloat16* at) { return reinterpret_cast<__m512bh>(_mm512_loadu_si512(at)); };
  return reinterpret_cast<Floats>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sum), words(w), words(x)));
}
#endif

template <class W>
inline Floats multiply(Floats sum, const W* w, const float* x) {
  return sum + load(w) * load(x);
}

// Halves what is left of each of the sums in a and b, pieces of kLength lanes, and puts all of them into one vector.
template <int kLength>
inline Floats fold(Floats a, Floats b) {
  Ints first, second;
  for (int lane = 0; lane < kLanes; ++lane) {
    constexpr int kHalf = kLength / 2;
    first[lane] = lane / kHalf * kLength + lane % kHalf;
    second[lane] = first[lane] + kHalf;
  }
  return __builtin_shuffle(a, b, first) + __builtin_shuffle(a, b, second);
}

// The sums over the lanes of sixteen vectors, in one: fewer steps than sixteen times one.
inline Floats sums(const Floats (&v)[kLanes]) {
  Floats eight[8], four[4], two[2];
  for (int i = 0; i < 8; ++i) eight[i] = fold<16>(v[2 * i], v[2 * i + 1]);
  for (int i = 0; i < 4; ++i) four[i] = fold<8>(eight[2 * i], eight[2 * i + 1]);
  for (int i = 0; i < 2; ++i) two[i] = fold<4>(four[2 * i], four[2 * i + 1]);
  return fold<2>(two[0], two[1]);
}

// Products of R = 16 / T rows of the weight with T rows of x, over n elements: lane t R + r has w[r] . x[t].
template <int T, class W, class X>
inline Floats tile(const W* w, const X* x, int64_t n) {
  constexpr int R = kLanes / T;
  Floats parts[kLanes] = {};
  for (int64_t i = 0; i < n; i += InputOf<W>::kStep) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      __builtin_prefetch(w + (R + r) * n + i);  // the rows of the next tile: too short for the processor to foresee
#pragma GCC unroll 16
      for (int t = 0; t < T; ++t) parts[t * R + r] = multiply(parts[t * R + r], w + r * n + i, x + t * n + i);
    }
  }
  return sums(parts);
}

// Products of the weight's rows [begin, end), whole tiles of them, with T rows of x from `first` on.
template <int T, class W, class X, class Take>
inline void strip(const W* w, const X* x, int64_t n, int begin, int end, int first, const Take& take) {
  constexpr int R = kLanes / T;
  for (int o = begin; o < end; o += R) {
    const Floats found = tile<T>(w + o * n, x + first * n, n);
    for (int t = 0; t < T; ++t)
      for (int r = 0; r < R; ++r) take(first + t, o + r, found[t * R + r]);
  }
}

// Products of the weight's rows [begin, end) with rows [0, count) of x [B, n]: `take(row of x, row of w, value)`.
template <class W, class X, class Take>
inline void product(const W* w, const X* x, int64_t n, int begin, int end, int count, const Take& take) {
  // A few rows of the weight at a time, so that they are in the nearest cache for every group of rows of x.
  for (int o = begin; o < end; o += kLanes) {
    int first = 0;
    for (; first + 8 <= count; first += 8) strip<8>(w, x, n, o, o + kLanes, first, take);
    for (; first + 4 <= count; first += 4) strip<4>(w, x, n, o, o + kLanes, first, take);
    for (; first + 2 <= count; first += 2) strip<2>(w, x, n, o, o + kLanes, first, take);
    for (; first < count; ++first) strip<1>(w, x, n, o, o + kLanes, first, take);
  }
}

template <class W, class X>
inline void normalize(const float* x, const W* weight, float eps, int size, X* out) {
  Floats squares = {};
  for (int i = 0; i < size; i += kLanes) {
    const Floats part = load(x + i);
    squares += part * part;
  }
  const float scale = 1.0f / std::sqrt(sum(squares) / static_cast<float>(size) + eps);
  for (int i = 0; i < size; i += kLanes) store(out + i, load(x + i) * scale * load(weight + i));
}

struct Decoder {
  virtual ~Decoder() = default;
  virtual void step(const NereidStep& step) = 0;
};

template <class W>
class DecoderOf final : public Decoder {
 public:
  explicit DecoderOf(const NereidModel& model)
      : m_(model),
        layers_(model.layer, model.layer + model.layers),
        team_(model.threads),
        x_(size(model.max_rows) * model.hidden),
        qkv_(size(model.max_rows) * (model.query_heads + 2 * model.kv_heads) * model.head_size),
        mixed_(size(model.max_rows) * model.query_heads * model.head_size),
        wide_(size(model.max_rows) * model.feed_forward),
        own_(size(model.threads)) {
    for (auto& own : own_) own.normed.resize(size(model.max_rows) * model.hidden);
  }

  void step(const NereidStep& step) override {
    team_.run([&](int member) { run(step, member); });
  }

 private:
  using X = typename InputOf<W>::type;

  // What each thread has for itself.
  struct Own {
    std::vector<X> normed;
    std::vector<float> gates, scores;
  };

  static size_t size(int rows) { return static_cast<size_t>(rows); }

  // This member's share of `count` things, in whole groups.
  void share(int count, int group, int member, int* begin, int* end) const {
    const int groups = (count + group - 1) / group;
    const int from = groups * member / team_.size() * group, to = groups * (member + 1) / team_.size() * group;
    *begin = from < count ? from : count;
    *end = to < count ? to : count;
  }

  void run(const NereidStep& s, int member) {
    const int hidden = m_.hidden, wide = m_.feed_forward, rows = s.rows;
    Own& own = own_[static_cast<size_t>(member)];
    int begin, end;
    share(rows, 1, member, &begin, &end);
    for (int b = begin; b < end; ++b) embed(s.tokens[b], &x_[size(b) * hidden]);
    team_.meet();
    for (int index = 0; index < m_.layers; ++index) {
      const NereidLayer& layer = layers_[static_cast<size_t>(index)];
      const int queries = m_.query_heads * m_.head_size, all = queries + 2 * m_.kv_heads * m_.head_size;
      norm_rows(layer.attention_norm, rows, own);
      share(all, kLanes, member, &begin, &end);
      const W* bias = static_cast<const W*>(layer.qkv_bias);
      product(weight(layer.qkv), own.normed.data(), hidden, begin, end, rows, [&](int b, int o, float value) {
        qkv_[size(b) * all + o] = bias ? value + scalar(bias + o) : value;
      });
      team_.meet();
      share(rows * m_.kv_heads, 1, member, &begin, &end);
      for (int piece = begin; piece < end; ++piece) place(s, layer, index, piece / m_.kv_heads, piece % m_.kv_heads);
      team_.meet();
      for (int piece = begin; piece < end; ++piece) attend(s, index, piece / m_.kv_heads, piece % m_.kv_heads, own);
      team_.meet();
      share(hidden, kLanes, member, &begin, &end);
      product(weight(layer.output), mixed_.data(), queries, begin, end, rows,
              [&](int b, int o, float value) { x_[size(b) * hidden + o] += value; });
      team_.meet();
      norm_rows(layer.feed_forward_norm, rows, own);
      share(wide, kLanes, member, &begin, &end);
      feed_forward(weight(layer.gate_up), begin, end, rows, own);
      team_.meet();
      share(hidden, kLanes, member, &begin, &end);
      product(weight(layer.down), wide_.data(), wide, begin, end, rows,
              [&](int b, int o, float value) { x_[size(b) * hidden + o] += value; });
      team_.meet();
    }
    for (int i = 0; i < s.wanted_rows; ++i)
      normalize(&x_[size(s.wanted[i]) * hidden], weight(m_.norm), m_.norm_eps, hidden, &own.normed[size(i) * hidden]);
    share(m_.vocabulary, kLanes, member, &begin, &end);
    product(weight(m_.head), own.normed.data(), hidden, begin, end, s.wanted_rows,
            [&](int i, int o, float value) { s.logits[size(i) * m_.vocabulary + o] = value; });
  }

  static const W* weight(const void* at) { return static_cast<const W*>(at); }

  static float scalar(const float* at) { return *at; }
  static float scalar(const BFloat16* at) {
    const uint32_t bits = static_cast<uint32_t>(at->bits) << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
  }
  static float scalar(const Float16* at) {
    _Float16 value;
    std::memcpy(&value, at, 2);
    return static_cast<float>(value);
  }

  void embed(int token, float* out) const {
    const W* row = weight(m_.embedding) + static_cast<int64_t>(token) * m_.hidden;
    for (int i = 0; i < m_.hidden; i += kLanes) store(out + i, load(row + i));
  }

  // Every member normalizes all rows for itself: less work than to wait for the others once more.
  void norm_rows(const void* norm, int rows, Own& own) const {
    for (int b = 0; b < rows; ++b)
      normalize(&x_[size(b) * m_.hidden], weight(norm), m_.norm_eps, m_.hidden, &own.normed[size(b) * m_.hidden]);
  }

  // gate_up holds F rows of the gate, then F of the up projection; out = silu(gate) * up for rows [begin, end).
  void feed_forward(const W* gate_up, int begin, int end, int rows, Own& own) {
    const int wide = m_.feed_forward, count = end - begin;
    if (count <= 0) return;
    own.gates.resize(2 * size(rows) * size(count));
    product(gate_up, own.normed.data(), m_.hidden, begin, end, rows,
            [&](int b, int o, float value) { own.gates[size(b) * count + (o - begin)] = value; });
    float* ups = own.gates.data() + size(rows) * size(count);
    product(gate_up + static_cast<int64_t>(wide) * m_.hidden, own.normed.data(), m_.hidden, begin, end, rows,
            [&](int b, int o, float value) { ups[size(b) * count + (o - begin)] = value; });
    for (int b = 0; b < rows; ++b) {
      for (int i = 0; i < count; i += kLanes) {
        const Floats gate = load(&own.gates[size(b) * count + i]), up = load(ups + size(b) * count + i);
        store(&wide_[size(b) * wide + begin + i], gate / (1.0f + exponential(-gate)) * up);
      }
    }
  }

  void rotate(const NereidStep& s, int row, const void* norm, float scale, float* head) const {
    const int half = m_.head_size / 2;
    if (norm) normalize(head, weight(norm), m_.norm_eps, m_.head_size, head);
    const float *cos = s.cos + size(row) * half, *sin = s.sin + size(row) * half;
    for (int i = 0; i < half; ++i) {
      const float left = head[i], right = head[half + i];
      head[i] = (left * cos[i] - right * sin[i]) * scale;
      head[half + i] = (right * cos[i] + left * sin[i]) * scale;
    }
  }

  float* queries_of(int row, int kv) {
    const int all = (m_.query_heads + 2 * m_.kv_heads) * m_.head_size;
    return &qkv_[size(row) * all + size(kv * (m_.query_heads / m_.kv_heads) * m_.head_size)];
  }

  // Where the cache has the key or value of a position: elements from the beginning of a layer.
  int64_t place_of(const NereidStep& s, int row, int kv, int position) const {
    const int block = s.tables[static_cast<int64_t>(row) * s.table_width + position / kLanes];
    const int64_t head = static_cast<int64_t>(block) * m_.kv_heads + kv;
    return (head * kLanes + position % kLanes) * m_.head_size;
  }

  // Turn queries and key of a row, for one key/value head, and put key and value into the cache: every row before any
  // attends, since a row may be followed by the next of its own sequence.
  void place(const NereidStep& s, const NereidLayer& layer, int index, int row, int kv) {
    const int d = m_.head_size, group = m_.query_heads / m_.kv_heads;
    float* q = queries_of(row, kv);
    for (int g = 0; g < group; ++g) rotate(s, row, layer.q_norm, 1.0f / std::sqrt(static_cast<float>(d)), q + g * d);
    float* key = queries_of(row, 0) + (m_.query_heads + kv) * d;
    const float* value = key + m_.kv_heads * d;
    rotate(s, row, layer.k_norm, 1.0f, key);
    const int64_t at = index * s.layer_stride + place_of(s, row, kv, s.positions[row]);
    for (int i = 0; i < d; ++i) {
      store(static_cast<W*>(s.keys) + at + i, key[i]);
      store(static_cast<W*>(s.values) + at + i, value[i]);
    }
  }

  void attend(const NereidStep& s, int index, int row, int kv, Own& own) {
    const int d = m_.head_size, group = m_.query_heads / m_.kv_heads, count = s.positions[row] + 1;
    const float* q = queries_of(row, kv);
    const W* const keys = static_cast<const W*>(s.keys) + index * s.layer_stride;
    const W* const values = static_cast<const W*>(s.values) + index * s.layer_stride;
    // A block of the cache is as long as a vector; what its last one does not hold yet weighs nothing.
    const int padded = (count + kLanes - 1) / kLanes * kLanes;
    if (own.scores.size() < static_cast<size_t>(group) * padded) own.scores.resize(static_cast<size_t>(group) * padded);
    for (int p = 0; p < count; p += kLanes) {
      const W* k = keys + place_of(s, row, kv, p);
      for (int g = 0; g < group; ++g) {
        Floats dots[kLanes] = {};
        for (int i = 0; i < d; i += kLanes) {
          const Floats query = load(q + g * d + i);
#pragma GCC unroll 16
          for (int slot = 0; slot < kLanes; ++slot) dots[slot] += load(k + slot * d + i) * query;
        }
        store(&own.scores[static_cast<size_t>(g) * padded + p], sums(dots));
      }
    }
    for (int g = 0; g < group; ++g) soften(&own.scores[static_cast<size_t>(g) * padded], count, padded);
    X* mixed = &mixed_[size(row) * m_.query_heads * d + size(kv * group * d)];
    for (int g = 0; g < group; ++g) {
      const float* weights = &own.scores[static_cast<size_t>(g) * padded];
      for (int i = 0; i < d; i += kLanes) {
        Floats total = {};
        for (int p = 0; p < count; p += kLanes) {
          const W* v = values + place_of(s, row, kv, p) + i;
          const int slots = count - p < kLanes ? count - p : kLanes;
          for (int slot = 0; slot < slots; ++slot) total += load(v + slot * d) * weights[p + slot];
        }
        store(mixed + g * d + i, total);
      }
    }
  }

  static void soften(float* scores, int count, int padded) {
    float most = scores[0];
    for (int p = 1; p < count; ++p) most = scores[p] > most ? scores[p] : most;
    for (int p = count; p < padded; ++p) scores[p] = most - 1000.0f;  // may have been anything
    Floats total = {};
    for (int p = 0; p < padded; p += kLanes) {
      const Floats part = exponential(load(scores + p) - most);
      store(scores + p, part);
      total += part;
    }
    const float scale = 1.0f / sum(total);
    for (int p = 0; p < padded; p += kLanes) store(scores + p, load(scores + p) * scale);
  }

  const NereidModel m_;
  const std::vector<NereidLayer> layers_;
  Team team_;
  std::vector<float> x_, qkv_;  // [B, H], [B, (Q + 2K) D]
  std::vector<X> mixed_, wide_;   // [B, Q D], [B, F]
  std::vector<Own> own_;
};

}  // namespace

extern "C" {

// Returns null where there is no memory for the buffers or no thread to be had.
void* nereid_decoder_new(const NereidModel* model) noexcept {
  try {
    switch (model->dtype) {
      case 0:
        return static_cast<Decoder*>(new DecoderOf<float>(*model));
      case 1:
        return static_cast<Decoder*>(new DecoderOf<BFloat16>(*model));
      case 2:
        return static_cast<Decoder*>(new DecoderOf<Float16>(*model));
      default:
        return nullptr;
    }
  } catch (...) {
    return nullptr;
  }
}

void nereid_decoder_step(void* decoder, const NereidStep* step) { static_cast<Decoder*>(decoder)->step(*step); }

void nereid_decoder_free(void* decoder) { delete static_cast<Decoder*>(decoder); }
}
