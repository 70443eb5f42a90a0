//! Data of modules, of which there are none here. What a module saved beside the keys says of itself
//! where it ends, so it can be left out. A key whose value belongs to a module cannot.
//!
//! ```text
//! MODULE_AUX | module: u64 | UINT | when: length | [item] ... | END
//! item  UINT or SINT: length | FLOAT: 4 bytes | DOUBLE: 8 bytes | STRING: string
//! ```

use super::{RdbError, Reader};

const END: u64 = 0;
const SINT: u64 = 1;
const UINT: u64 = 2;
const FLOAT: u64 = 3;
const DOUBLE: u64 = 4;
const STRING: u64 = 5;
const UNKNOWN: RdbError = RdbError::Corrupt("data of a module in a form that is not known");

/// Values of modules, before and since the form above.
pub(super) const VALUE_TYPES: std::ops::RangeInclusive<u8> = 6..=7;

/// Reads what comes before the items; gives the name of the module's type.
pub(super) fn begin_aux(reader: &mut Reader) -> Result<String, RdbError> {
    let module = reader.length()?;
    let (kind, _when) = (reader.length()?, reader.length()?);
    if kind == UINT { Ok(type_name(module)) } else { Err(UNKNOWN) }
}

/// Reads an item; false if it was the end.
pub(super) fn skip_item(reader: &mut Reader) -> Result<bool, RdbError> {
    match reader.length()? {
        END => return Ok(false),
        SINT | UINT => drop(reader.length()?),
        FLOAT => drop(reader.array::<4>()?),
        DOUBLE => drop(reader.array::<8>()?),
        STRING => drop(reader.string()?),
        _ => return Err(UNKNOWN),
    }
    Ok(true)
}

/// Nine characters of six bits each, before ten bits for a version.
pub(super) fn type_name(module: u64) -> String {
    const CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9).map(|at| CHARACTERS[(module >> (58 - 6 * at) & 63) as usize] as char).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{LoadFor, LoadStep, RdbLoad, VERSION};
    use super::*;
    use crate::config::Config;
    use crate::keyspace::Keyspace;

    /// As a length of eight bytes.
    fn id(name: &str) -> Vec<u8> {
        const CHARACTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let value = |character| CHARACTERS.find(character).unwrap() as u64;
        let bits = name.chars().fold(0, |bits, character| bits << 6 | value(character)) << 10 | 3;
        [&[0x81][..], &bits.to_be_bytes()].concat()
    }

    fn file(pieces: &[&[u8]]) -> Vec<u8> {
        let header = format!("REDIS{VERSION:04}");
        [header.as_bytes(), &pieces.concat(), b"\xff\0\0\0\0\0\0\0\0"].concat()
    }

    fn load(file: &[u8]) -> Result<Keyspace, String> {
        let (config, mut keyspace) = (Config::default(), Keyspace::new(1, 1));
        let result = RdbLoad::new(file, LoadFor::Start, &config).run(&mut keyspace, &config);
        result.map(|_| keyspace).map_err(|failure| failure.error.to_string())
    }

    #[test]
    fn what_is_beside_the_keys_is_left_out() {
        let aux = [
            &[247][..],
            &id("ft_index0"),
            b"\x02\x01",
            b"\x02\x07\x01\x80\0\0\0\x05\x03????\x04????????\x05\x04text\x05\xc0\x07\0",
        ]
        .concat();
        let file = file(&[&aux, b"\xfe\0\0\x01k\x01v", &aux]);
        assert_eq!(load(&file).unwrap().dbs()[0].len(), 1);
        // The same, byte by byte.
        let (config, mut keyspace) = (Config::default(), Keyspace::new(1, 1));
        let mut fed = RdbLoad::fed(LoadFor::Replay, &config);
        let mut step = LoadStep::NotYet;
        for byte in file {
            fed.feed(&[byte]);
            step = fed.step(&mut keyspace, &config, u64::MAX).unwrap();
        }
        assert_eq!((step, keyspace.dbs()[0].len()), (LoadStep::Done, 1));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for wrong in [&b"\x01\x01\0"[..], b"\x02\x01\x06\0", b"\x02\x01\x02\x07"] {
            assert!(load(&file(&[&[247], &id("ft_index0"), wrong])).is_err());
        }
    }

    #[test]
    fn a_value_is_refused_by_name() {
        for value_type in VALUE_TYPES {
            let file = file(&[&[value_type], b"\x01k", &id("ReJSON-RL"), b"\x02\x01\0"]);
            assert!(load(&file).err().unwrap().contains("no matching module type 'ReJSON-RL'"));
        }
    }
}
