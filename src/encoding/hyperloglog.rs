//! HyperLogLog: estimates how many different elements were added, in at most 12 KiB.
//!
//! The bytes are Redis's, for they are a string that clients may copy from one server to another:
//!
//! ```text
//! 0      "HYLL"
//! 4      encoding u8: 0 dense, 1 sparse
//! 5..8   unused
//! 8..16  cached estimate u64 little-endian; its highest bit set: not valid
//! 16     registers
//!
//! dense  16384 registers of 6 bits, from the lowest bit of each byte on
//! sparse runs of registers, from register 0 to the last:
//!          ZERO   00xxxxxx           x + 1 registers are 0
//!          XZERO  01xxxxxx yyyyyyyy  xy + 1 registers are 0
//!          VAL    1vvvvvxx           x + 1 registers are v + 1
//! ```
//!
//! * The low 14 bits of an element's hash choose a register; the register is the highest rank seen: how
//!   many bits from the 15th on there are up to and including the first that is 1, at most 51.
//! * Sparse becomes dense when it would be too long or a value does not fit in VAL, and stays dense.
//! * Any bytes may be given. [`HyperLogLog::new`] checks what costs nothing to check; that the runs cover
//!   all registers shows only when they are walked, and is [`Corrupt`] if not.
//!
//! Sources: Flajolet, Fusy, Gandouet and Meunier, "HyperLogLog: the analysis of a near-optimal
//! cardinality estimation algorithm" (2007); Ertl, "New cardinality estimation algorithms for
//! HyperLogLog sketches" (2017), whose algorithm 6 is the estimate.

pub const REGISTERS: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 14;
/// Bits of a hash that do not choose the register.
const RANK_BITS: usize = 64 - INDEX_BITS as usize;
const REGISTER_BITS: usize = 6;
const REGISTER_MAX: u8 = (1 << REGISTER_BITS) - 1;

const MAGIC: &[u8; 4] = b"HYLL";
const ENCODING_AT: usize = 4;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
const CACHE_AT: usize = 8;
const HEADER: usize = 16;
const DENSE_LEN: usize = HEADER + REGISTERS * REGISTER_BITS / 8;

const ZERO_LEN_MAX: usize = 64;
const VAL_LEN_MAX: usize = 4;
const VAL_MAX: u8 = 32;

/// The sparse runs do not cover the registers.
#[derive(Debug, PartialEq, Eq)]
pub struct Corrupt;

/// See the [module](self)'s description. `B` holds the bytes: by reference to look, by mutable
/// reference to change registers of a dense one, and as a `Vec` for everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HyperLogLog<B>(B);

/// A run of equal registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    Zero { len: usize },
    XZero { len: usize },
    Val { value: u8, len: usize },
}

impl Run {
    /// The run that begins at `at`.
    fn at(runs: &[u8], at: usize) -> Result<Run, Corrupt> {
        let byte = *runs.get(at).ok_or(Corrupt)?;
        let low = usize::from(byte & 0x3f);
        Ok(match byte >> 6 {
            0 => Run::Zero { len: low + 1 },
            1 => Run::XZero { len: (low << 8 | usize::from(*runs.get(at + 1).ok_or(Corrupt)?)) + 1 },
            _ => Run::Val { value: (byte >> 2 & 0x1f) + 1, len: usize::from(byte & 3) + 1 },
        })
    }

    fn zeros(len: usize) -> Run {
        if len > ZERO_LEN_MAX { Run::XZero { len } } else { Run::Zero { len } }
    }

    /// The number of registers.
    fn len(self) -> usize {
        match self {
            Run::Zero { len } | Run::XZero { len } | Run::Val { len, .. } => len,
        }
    }

    fn value(self) -> u8 {
        match self {
            Run::Zero { .. } | Run::XZero { .. } => 0,
            Run::Val { value, .. } => value,
        }
    }

    /// A run of `len` registers like this one's.
    fn of_len(self, len: usize) -> Run {
        match self {
            Run::Zero { .. } | Run::XZero { .. } => Run::zeros(len),
            Run::Val { value, .. } => Run::Val { value, len },
        }
    }

    /// Bytes that the run takes.
    fn stored(self) -> usize {
        if matches!(self, Run::XZero { .. }) { 2 } else { 1 }
    }

    fn write(self, out: &mut Vec<u8>) {
        match self {
            Run::Zero { len } => out.push((len - 1) as u8),
            Run::XZero { len } => out.extend([0x40 | ((len - 1) >> 8) as u8, (len - 1) as u8]),
            Run::Val { value, len } => out.push(0x80 | (value - 1) << 2 | (len - 1) as u8),
        }
    }
}

impl<B: AsRef<[u8]>> HyperLogLog<B> {
    /// None if the bytes are no HyperLogLog.
    pub fn new(bytes: B) -> Option<Self> {
        let (header, registers) = bytes.as_ref().split_at_checked(HEADER)?;
        let encoding = header[ENCODING_AT];
        let is_right = header.starts_with(MAGIC)
            && (encoding == SPARSE || encoding == DENSE && HEADER + registers.len() == DENSE_LEN);
        is_right.then_some(HyperLogLog(bytes))
    }

    pub fn bytes(&self) -> &[u8] {
        self.0.as_ref()
    }

    pub fn is_dense(&self) -> bool {
        self.bytes()[ENCODING_AT] == DENSE
    }

    fn registers(&self) -> &[u8] {
        &self.bytes()[HEADER..]
    }

    /// The estimate that was computed last, if nothing changed since.
    pub fn cached_estimate(&self) -> Option<u64> {
        let cached = u64::from_le_bytes(*self.bytes()[CACHE_AT..].first_chunk().expect("the header has it"));
        (cached >> 63 == 0).then_some(cached)
    }

    /// Calls `visit` with each run, if this is sparse.
    pub fn for_each_run(&self, mut visit: impl FnMut(Run)) -> Result<(), Corrupt> {
        let runs = self.registers();
        let (mut at, mut covered) = (0, 0);
        while at < runs.len() {
            let run = Run::at(runs, at)?;
            at += run.stored();
            covered += run.len();
            if covered > REGISTERS {
                return Err(Corrupt);
            }
            visit(run);
        }
        if covered == REGISTERS { Ok(()) } else { Err(Corrupt) }
    }

    /// Raises each of `registers` to what it is here.
    pub fn merge_into(&self, registers: &mut [u8; REGISTERS]) -> Result<(), Corrupt> {
        if self.is_dense() {
            let (fours, packed) = (registers.as_chunks_mut::<4>().0, self.registers().as_chunks().0);
            for (four, packed) in fours.iter_mut().zip(packed) {
                let here = unpack(packed);
                four.iter_mut().zip(here).for_each(|(register, here)| *register = here.max(*register));
            }
            return Ok(());
        }
        let mut at = 0;
        self.for_each_run(|run| {
            let end = at + run.len();
            if run.value() > 0 {
                registers[at..end].iter_mut().for_each(|register| *register = run.value().max(*register));
            }
            at = end;
        })
    }

    /// Estimates the number of elements.
    pub fn estimate(&self) -> Result<u64, Corrupt> {
        let mut histogram = [0; REGISTER_MAX as usize + 1];
        if self.is_dense() {
            for packed in self.registers().as_chunks().0 {
                unpack(packed).into_iter().for_each(|register| histogram[register as usize] += 1);
            }
        } else {
            self.for_each_run(|run| histogram[run.value() as usize] += run.len() as u32)?;
        }
        Ok(estimate(&histogram))
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> HyperLogLog<B> {
    pub fn cache_estimate(&mut self, estimate: u64) {
        self.0.as_mut()[CACHE_AT..HEADER].copy_from_slice(&estimate.to_le_bytes());
    }

    /// Marks the cached estimate as out of date.
    pub fn forget_estimate(&mut self) {
        self.0.as_mut()[HEADER - 1] |= 0x80;
    }

    /// Raises a register, which must be dense; true if it was lower.
    pub fn raise_dense(&mut self, (index, rank): (usize, u8)) -> bool {
        debug_assert!(self.is_dense());
        let (four, shift) = (index / 4 * 3, index % 4 * REGISTER_BITS);
        let packed: &mut [u8; 3] = self.0.as_mut()[HEADER + four..].first_chunk_mut().expect("one of the registers");
        let word = u32::from_le_bytes([packed[0], packed[1], packed[2], 0]);
        if (word >> shift) as u8 & REGISTER_MAX >= rank {
            return false;
        }
        let raised = word & !(u32::from(REGISTER_MAX) << shift) | u32::from(rank) << shift;
        packed.copy_from_slice(&raised.to_le_bytes()[..3]);
        true
    }
}

impl HyperLogLog<Vec<u8>> {
    /// The sparse form without elements.
    pub fn empty() -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[..ENCODING_AT].copy_from_slice(MAGIC);
        bytes[ENCODING_AT] = SPARSE;
        Run::zeros(REGISTERS).write(&mut bytes);
        HyperLogLog(bytes)
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Turns the sparse form into the dense one.
    pub fn make_dense(&mut self) -> Result<(), Corrupt> {
        if self.is_dense() {
            return Ok(());
        }
        let mut registers = [0; REGISTERS];
        self.merge_into(&mut registers)?;
        self.set_dense(&registers);
        Ok(())
    }

    /// Becomes dense, with these registers.
    pub fn set_dense(&mut self, registers: &[u8; REGISTERS]) {
        self.0.resize(DENSE_LEN, 0);
        self.0[ENCODING_AT] = DENSE;
        for (packed, four) in self.0[HEADER..].as_chunks_mut().0.iter_mut().zip(registers.as_chunks().0) {
            *packed = pack(four);
        }
    }

    /// Raises a register; true if it was lower. Beyond `sparse_max` bytes a sparse one becomes dense.
    pub fn raise(&mut self, (index, rank): (usize, u8), sparse_max: usize) -> Result<bool, Corrupt> {
        if self.is_dense() {
            return Ok(self.raise_dense((index, rank)));
        }
        if rank > VAL_MAX {
            self.make_dense()?;
            return Ok(self.raise_dense((index, rank)));
        }
        // The run that the register is in, and where the one before it is.
        let (mut before, mut at, mut first) = (0, 0, 0);
        let run = loop {
            let run = Run::at(self.registers(), at)?;
            if first + run.len() > index {
                break run;
            }
            before = at;
            at += run.stored();
            first += run.len();
        };
        if run.value() >= rank {
            return Ok(false);
        }
        let (left, right) = (index - first, first + run.len() - index - 1);
        let parts = [(left, run), (1, Run::Val { value: rank, len: 1 }), (right, run)];
        let mut new = Vec::with_capacity(5);
        parts.into_iter().filter(|&(len, _)| len > 0).for_each(|(len, run)| run.of_len(len).write(&mut new));
        let grown = self.0.len() - run.stored() + new.len();
        if new.len() > run.stored() && grown > sparse_max {
            self.make_dense()?;
            return Ok(self.raise_dense((index, rank)));
        }
        self.0.splice(HEADER + at..HEADER + at + run.stored(), new);
        self.join_values(before);
        Ok(true)
    }

    /// Joins runs of the same value that stand side by side, among those from `at` on that a change of
    /// the one after it can have made so.
    fn join_values(&mut self, mut at: usize) {
        /// The run before, up to three in the place of one, and the run after.
        const LOOKED_AT: usize = 5;
        for _ in 0..LOOKED_AT {
            let Ok(run) = Run::at(self.registers(), at) else { return };
            let next = at + run.stored();
            if let (Run::Val { value, len }, Ok(Run::Val { value: same, len: more })) =
                (run, Run::at(self.registers(), next))
                && value == same
                && len + more <= VAL_LEN_MAX
            {
                self.0.remove(HEADER + at);
                let joined = self.0[HEADER + at] & !3 | (len + more - 1) as u8;
                self.0[HEADER + at] = joined;
            } else {
                at = next;
            }
        }
    }
}

/// Four registers from three bytes.
fn unpack(packed: &[u8; 3]) -> [u8; 4] {
    let word = u32::from_le_bytes([packed[0], packed[1], packed[2], 0]);
    std::array::from_fn(|i| (word >> (i * REGISTER_BITS)) as u8 & REGISTER_MAX)
}

fn pack(registers: &[u8; 4]) -> [u8; 3] {
    let word = registers.iter().rev().fold(0, |word, &register| word << REGISTER_BITS | u32::from(register));
    *word.to_le_bytes().first_chunk().expect("four bytes have three")
}

/// Estimates from registers the number of elements.
pub fn estimate_of(registers: &[u8; REGISTERS]) -> u64 {
    let mut histogram = [0; REGISTER_MAX as usize + 1];
    registers.iter().for_each(|&register| histogram[(register & REGISTER_MAX) as usize] += 1);
    estimate(&histogram)
}

/// Estimates from how many registers have each value: Ertl's algorithm 6.
fn estimate(histogram: &[u32; REGISTER_MAX as usize + 1]) -> u64 {
    const REGISTERS_F: f64 = REGISTERS as f64;
    /// The limit of the bias correction for many registers: 1 / (2 ln 2).
    const ALPHA: f64 = 0.5 / std::f64::consts::LN_2;
    let saturated = f64::from(histogram[RANK_BITS + 1]);
    let mut z = REGISTERS_F * tau((REGISTERS_F - saturated) / REGISTERS_F);
    for &count in histogram[1..=RANK_BITS].iter().rev() {
        z = (z + f64::from(count)) * 0.5;
    }
    z += REGISTERS_F * sigma(f64::from(histogram[0]) / REGISTERS_F);
    let estimate = ALPHA * REGISTERS_F * REGISTERS_F / z;
    // COMPAT: what an x86-64 processor makes of an infinite number of elements.
    if estimate.is_finite() { estimate.round() as u64 } else { 1 << 63 }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

/// The register that `element` means, and its rank.
pub fn register_of(element: &[u8]) -> (usize, u8) {
    const SEED: u64 = 0xadc8_3b19;
    let hash = murmur_hash_64a(element, SEED);
    let index = hash as usize % REGISTERS;
    // The bit beyond the last bounds the count.
    let rank = (hash >> INDEX_BITS | 1 << RANK_BITS).trailing_zeros() + 1;
    (index, rank as u8)
}

/// MurmurHash64A by Austin Appleby, who put it into the public domain.
fn murmur_hash_64a(bytes: &[u8], seed: u64) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    const R: u32 = 47;
    let mut h = seed ^ (bytes.len() as u64).wrapping_mul(M);
    let (words, rest) = bytes.as_chunks();
    for word in words {
        let k = u64::from_le_bytes(*word).wrapping_mul(M);
        h = (h ^ (k ^ k >> R).wrapping_mul(M)).wrapping_mul(M);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        h = (h ^ u64::from_le_bytes(last)).wrapping_mul(M);
    }
    h = (h ^ h >> R).wrapping_mul(M);
    h ^ h >> R
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Registers and ranks, often in runs.
    fn changes() -> impl Strategy<Value = Vec<(usize, u8)>> {
        let rank = prop_oneof![20 => 1..4u8, 5 => 1..33u8, 1 => 33..52u8];
        let index = prop_oneof![4 => 0..40usize, 1 => 0..REGISTERS, 1 => REGISTERS - 5..REGISTERS];
        prop::collection::vec((index, rank, 1..7usize), 0..60).prop_map(|runs| {
            let run = |(index, rank, len)| (index..REGISTERS.min(index + len)).map(move |index| (index, rank));
            runs.into_iter().flat_map(run).collect()
        })
    }

    fn registers<B: AsRef<[u8]>>(hll: &HyperLogLog<B>) -> [u8; REGISTERS] {
        let mut registers = [0; REGISTERS];
        hll.merge_into(&mut registers).unwrap();
        registers
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn sparse_and_dense_behave_as_an_array(changes in changes(), sparse_max in 18..200usize) {
            let (mut sparse, mut dense, mut oracle) = (HyperLogLog::empty(), HyperLogLog::empty(), [0; REGISTERS]);
            dense.make_dense().unwrap();
            for (index, rank) in changes {
                let is_higher = rank > oracle[index];
                oracle[index] = rank.max(oracle[index]);
                let was_dense = sparse.is_dense();
                prop_assert_eq!(sparse.raise((index, rank), sparse_max), Ok(is_higher));
                prop_assert_eq!(dense.raise((index, rank), sparse_max), Ok(is_higher));
                prop_assert!(sparse.is_dense() || sparse.bytes().len() <= sparse_max && rank <= VAL_MAX);
                prop_assert!(sparse.is_dense() || !was_dense);
            }
            prop_assert_eq!(registers(&sparse), oracle);
            prop_assert_eq!(registers(&dense), oracle);
            prop_assert_eq!(sparse.estimate(), Ok(estimate_of(&oracle)));
            prop_assert_eq!(dense.estimate(), Ok(estimate_of(&oracle)));
            sparse.make_dense().unwrap();
            prop_assert_eq!(sparse, dense);
        }

        #[test]
        fn any_bytes_are_harmless(
            header in (0..3u8, any::<[u8; 11]>()),
            runs in prop::collection::vec(any::<u8>(), 0..40),
            register in (0..REGISTERS, 1..52u8),
        ) {
            let bytes = [&MAGIC[..], &[header.0], &header.1, &runs].concat();
            let Some(mut hll) = HyperLogLog::new(bytes) else {
                prop_assert_ne!(header.0, SPARSE);
                return Ok(());
            };
            let merged = hll.merge_into(&mut [0; REGISTERS]);
            prop_assert_eq!(hll.estimate().is_ok(), merged.is_ok());
            let raised = hll.raise(register, 100);
            prop_assert!(raised.is_ok() || merged.is_err());
            prop_assert_eq!(hll.make_dense().is_ok(), merged.is_ok());
        }
    }

    fn with_elements(elements: std::ops::Range<u64>) -> HyperLogLog<Vec<u8>> {
        let mut hll = HyperLogLog::empty();
        elements.for_each(|n| {
            hll.raise(register_of(&n.to_le_bytes()), 3000).unwrap();
        });
        hll
    }

    #[test]
    fn estimates_are_near() {
        assert_eq!(HyperLogLog::empty().estimate(), Ok(0));
        for count in [1, 10, 100, 1000, 10_000, 100_000] {
            let estimate = with_elements(0..count).estimate().unwrap();
            // The standard error is 0.81 %.
            assert!(estimate.abs_diff(count) as f64 <= count as f64 * 0.04, "{estimate} for {count}");
        }
        // More than can be told apart.
        assert_eq!(estimate_of(&[RANK_BITS as u8 + 1; REGISTERS]), 1 << 63);
    }

    #[test]
    fn unions_are_merged() {
        let mut registers = [0; REGISTERS];
        for hll in [with_elements(0..300), with_elements(200..5000), with_elements(0..10)] {
            hll.merge_into(&mut registers).unwrap();
        }
        assert_eq!(estimate_of(&registers), with_elements(0..5000).estimate().unwrap());
    }

    #[test]
    fn estimates_are_cached_until_forgotten() {
        let mut hll = HyperLogLog::empty();
        assert_eq!(hll.cached_estimate(), Some(0));
        hll.cache_estimate(0x1234);
        assert_eq!(hll.cached_estimate(), Some(0x1234));
        hll.forget_estimate();
        assert_eq!((hll.cached_estimate(), hll.bytes()[15]), (None, 0x80));
    }

    /// These came from Redis.
    #[test]
    fn bytes_are_those_of_redis() {
        let mut hll = HyperLogLog::empty();
        for element in ["a", "b", "c"] {
            hll.raise(register_of(element.as_bytes()), 3000).unwrap();
        }
        let mut runs = Vec::new();
        hll.for_each_run(|run| runs.push(run)).unwrap();
        let (zeros, value) = (|len| Run::XZero { len }, |value| Run::Val { value, len: 1 });
        assert_eq!(runs, [zeros(8436), value(1), zeros(4274), value(2), zeros(3068), value(1), zeros(603)]);
    }

    #[test]
    fn what_is_no_hyperloglog() {
        let good = HyperLogLog::empty().into_bytes();
        assert!(HyperLogLog::new(&good[..]).is_some());
        assert!(HyperLogLog::new(&good[..15]).is_none());
        for (at, byte) in [(0, b'h'), (4, DENSE), (4, 2)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert!(HyperLogLog::new(bad).is_none());
        }
        // Too few registers, and too many.
        assert_eq!(HyperLogLog::new(&good[..16]).unwrap().estimate(), Err(Corrupt));
        assert_eq!(HyperLogLog::new([&good[..], &[0]].concat()).unwrap().estimate(), Err(Corrupt));
        assert_eq!(HyperLogLog::new(&good[..17]).unwrap().estimate(), Err(Corrupt));
    }
}
