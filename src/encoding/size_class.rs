//! The allocator's size classes, so that a block can use all of the memory it is given anyway.
//!
//! jemalloc with a quantum of 8 bytes has a class for every 8 bytes up to 64 and then four for
//! each doubling:
//!
//! ```text
//! index   0  1  2  3  4  5  6  7   8  9  10  11   12  13  14  15   16 ...
//! bytes   8 16 24 32 40 48 56 64  80 96 112 128  160 192 224 256  320 ...
//! ```
//!
//! With another allocator these sizes are merely reasonable steps.

/// The bytes the allocator really hands out for a request of `bytes` (at least 1 is assumed).
///
/// Equal to [`index_size`] of [`class_index`].
#[inline]
pub const fn size_class(bytes: usize) -> usize {
    let step = step(bytes);
    (bytes + (bytes == 0) as usize).next_multiple_of(step)
}

/// The index of the smallest class that holds `bytes`.
#[inline]
pub const fn class_index(bytes: usize) -> u8 {
    let size = size_class(bytes);
    if size <= 64 {
        return (size / 8 - 1) as u8;
    }
    let doubling = (size - 1).ilog2() as usize - 6;
    (doubling * 4 + (size >> (doubling + 4)) + 3) as u8
}

/// The size of class `index`, which must be one that [`class_index`] returned.
#[inline]
pub const fn index_size(index: u8) -> usize {
    let index = index as usize;
    if index < 8 {
        return (index + 1) * 8;
    }
    (index % 4 + 5) << (index / 4 + 2)
}

/// How far apart the classes around `bytes` are.
#[inline]
const fn step(bytes: usize) -> usize {
    if bytes <= 64 {
        return 8;
    }
    1 << ((bytes - 1).ilog2() - 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_the_allocators() {
        let mut classes: Vec<usize> = (1..=8).map(|eighths| eighths * 8).collect();
        let mut base = 64;
        while base < 1 << 32 {
            classes.extend((5..=8).map(|quarters| base / 4 * quarters));
            base *= 2;
        }
        for (index, &size) in classes.iter().enumerate() {
            let below = index.checked_sub(1).map_or(1, |index| classes[index] + 1);
            for bytes in [below, size] {
                assert_eq!(size_class(bytes), size);
                assert_eq!(usize::from(class_index(bytes)), index, "{bytes}");
            }
            assert_eq!(index_size(index as u8), size);
        }
        assert_eq!(size_class(0), 8);
    }
}
