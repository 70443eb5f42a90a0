//! Data structures. They know no protocol, no clock and no configuration.

pub mod hash;
pub mod hashtable;
pub mod size_class;
