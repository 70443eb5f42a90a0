//! The allocator's size classes, so that a structure can grow into the slack it already owns.

/// The bytes the allocator really sets aside for a request of `size` bytes (`size` > 0).
///
/// jemalloc with a quantum of 8: every multiple of 8 up to 64, then four classes a doubling. With
/// another allocator the figure is still an upper bound that allocations are rounded up to.
#[inline]
pub const fn size_class(size: usize) -> usize {
    if size <= 64 {
        (size + 7) & !7
    } else {
        let shift = (usize::BITS - 1 - (size - 1).leading_zeros()) - 2;
        let mask = (1usize << shift) - 1;
        (size + mask) & !mask
    }
}

#[cfg(test)]
mod tests {
    use super::size_class;

    #[test]
    fn classes() {
        for (size, class) in [(1, 8), (8, 8), (9, 16), (40, 40), (64, 64), (65, 80), (81, 96), (128, 128), (129, 160), (161, 192), (1024, 1024), (1025, 1280), (16385, 20480)] {
            assert_eq!(size_class(size), class, "size {size}");
        }
    }
}
