//! Data structures. They know no protocol, no clock and no configuration.

pub mod words;
