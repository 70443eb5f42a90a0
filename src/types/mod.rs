//! The Redis types. Each chooses its encoding and owns its mutations; none knows the protocol.
//!
//! * `hash`, `list`, `set`, `string`, `zset`, `stream`  the types
//! * `sampling` random elements, for several of them
//!
//! To add a type: its module, its [`Encoding`]s, its arm in `with_collection`.
#![allow(unsafe_code)]

pub mod hash;
pub mod list;
pub mod sampling;
pub mod set;
pub mod stream;
pub mod string;
pub mod zset;

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// What TYPE answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    String,
    List,
    Set,
    ZSet,
    Hash,
    Stream,
}

impl Type {
    pub fn name(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::List => "list",
            Type::Set => "set",
            Type::ZSet => "zset",
            Type::Hash => "hash",
            Type::Stream => "stream",
        }
    }
}

/// Declares the encodings, in the order of their numbers, each with its type and its name.
macro_rules! encodings {
    ($($(#[$doc:meta])* $encoding:ident: $type:ident $name:literal,)*) => {
        /// How a value is laid out. An entry's header holds it, so there are at most 32.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum Encoding { $($(#[$doc])* $encoding,)* }

        impl Encoding {
            pub const ALL: &[Encoding] = &[$(Encoding::$encoding,)*];

            pub fn type_(self) -> Type {
                match self { $(Encoding::$encoding => Type::$type,)* }
            }

            /// What OBJECT ENCODING answers.
            pub fn name(self) -> &'static str {
                match self { $(Encoding::$encoding => $name,)* }
            }
        }
    };
}

encodings! {
    /// A string that is a canonical 64-bit integer.
    Int: String "int",
    /// A short string in the entry.
    Embstr: String "embstr",
    /// A string in the entry that is long or was modified.
    Raw: String "raw",
    /// A long string in a block of its own.
    Large: String "raw",
    ListListpack: List "listpack",
    /// A quicklist of one node where Redis has a listpack.
    ListOneNode: List "listpack",
    ListQuicklist: List "quicklist",
    SetIntset: Set "intset",
    SetListpack: Set "listpack",
    SetTable: Set "hashtable",
    ZSetListpack: ZSet "listpack",
    /// COMPAT: the name is that of what Redis has in its place.
    ZSetTable: ZSet "skiplist",
    HashListpack: Hash "listpack",
    HashTable: Hash "hashtable",
    Stream: Stream "stream",
}

/// A value that an entry holds by one pointer.
///
/// # Safety
///
/// `from_raw` turns what `into_raw` gave back into the same value, and `into_raw` answers only
/// encodings that `with_collection` hands to this type.
pub unsafe trait Collection: Sized + Clone {
    const TYPE: Type;
    fn into_raw(self) -> (Encoding, NonNull<u8>);
    /// # Safety
    ///
    /// The parts came from one `into_raw` of this type and are turned back only once, or not
    /// dropped.
    unsafe fn from_raw(encoding: Encoding, pointer: NonNull<u8>) -> Self;
    /// About how many blocks have to be freed with the value.
    fn free_effort(&self) -> usize;
    /// Allocated bytes, for MEMORY USAGE.
    fn memory_usage(&self) -> usize;
}

/// Calls `$f` (generic over the collection) for the type that has `$encoding`.
macro_rules! with_collection {
    ($encoding:expr, $f:ident ( $($argument:expr),* )) => {
        match $encoding {
            Encoding::Int | Encoding::Embstr | Encoding::Raw => unreachable!("kept in the entry itself"),
            Encoding::Large => $f::<Box<string::LargeString>>($($argument),*),
            Encoding::SetIntset | Encoding::SetListpack | Encoding::SetTable => $f::<set::Set>($($argument),*),
            Encoding::HashListpack | Encoding::HashTable => $f::<hash::Hash>($($argument),*),
            Encoding::ListListpack | Encoding::ListOneNode | Encoding::ListQuicklist => {
                $f::<list::List>($($argument),*)
            }
            Encoding::Stream => $f::<Box<stream::Stream>>($($argument),*),
            Encoding::ZSetListpack | Encoding::ZSetTable => $f::<zset::ZSet>($($argument),*),
        }
    };
}

/// Drops a value that is known by its encoding only.
///
/// # Safety
///
/// For this and the functions below: the parts came from `into_raw` of a collection that is alive.
pub unsafe fn drop_collection(encoding: Encoding, pointer: NonNull<u8>) {
    unsafe fn f<C: Collection>(encoding: Encoding, pointer: NonNull<u8>) {
        // SAFETY: by the contract; not used again.
        drop(unsafe { C::from_raw(encoding, pointer) })
    }
    // SAFETY: by the contract.
    unsafe { with_collection!(encoding, f(encoding, pointer)) }
}

/// # Safety
///
/// As for [`drop_collection`].
unsafe fn borrowed<C: Collection>(encoding: Encoding, pointer: NonNull<u8>) -> ManuallyDrop<C> {
    // SAFETY: by the contract; never dropped.
    ManuallyDrop::new(unsafe { C::from_raw(encoding, pointer) })
}

/// A copy of a value; it has the same encoding.
///
/// # Safety
///
/// As for [`drop_collection`].
pub unsafe fn copy_collection(encoding: Encoding, pointer: NonNull<u8>) -> NonNull<u8> {
    unsafe fn f<C: Collection>(encoding: Encoding, pointer: NonNull<u8>) -> NonNull<u8> {
        // SAFETY: by the contract.
        let value = unsafe { borrowed::<C>(encoding, pointer) };
        C::clone(&value).into_raw().1
    }
    // SAFETY: by the contract.
    unsafe { with_collection!(encoding, f(encoding, pointer)) }
}

/// [`Collection::free_effort`] of a value.
///
/// # Safety
///
/// As for [`drop_collection`].
pub unsafe fn free_effort(encoding: Encoding, pointer: NonNull<u8>) -> usize {
    unsafe fn f<C: Collection>(encoding: Encoding, pointer: NonNull<u8>) -> usize {
        // SAFETY: by the contract.
        unsafe { borrowed::<C>(encoding, pointer) }.free_effort()
    }
    // SAFETY: by the contract.
    unsafe { with_collection!(encoding, f(encoding, pointer)) }
}

/// [`Collection::memory_usage`] of a value.
///
/// # Safety
///
/// As for [`drop_collection`].
pub unsafe fn memory_usage(encoding: Encoding, pointer: NonNull<u8>) -> usize {
    unsafe fn f<C: Collection>(encoding: Encoding, pointer: NonNull<u8>) -> usize {
        // SAFETY: by the contract.
        unsafe { borrowed::<C>(encoding, pointer) }.memory_usage()
    }
    // SAFETY: by the contract.
    unsafe { with_collection!(encoding, f(encoding, pointer)) }
}
