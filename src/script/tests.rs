//! The libraries that scripts have, against other implementations of the same.

use super::interpreter::{Code, Interpreter};
use super::{Host, with_host};
use crate::resp::{Args, Output, Reply};
use proptest::prelude::*;
use serde_json::{Map, Value};

/// A host without a server.
struct Nobody;

impl Host for Nobody {
    fn call(&mut self, _: &Args, reply: &mut Vec<u8>) -> bool {
        reply.extend_from_slice(b"-ERR nobody is there\r\n");
        false
    }
}

/// Runs a script with these arguments; gives its reply as it goes over the wire.
fn run(interpreter: &Interpreter, script: &str, arguments: &[&[u8]]) -> Vec<u8> {
    let slot = interpreter.compile(script.as_bytes(), 0).unwrap();
    let arguments = arguments.iter().copied();
    let result = with_host(&mut Nobody, || interpreter.run(Code::Script(slot), std::iter::empty(), arguments));
    interpreter.free(slot);
    let mut output = Output::default();
    let mut reply = Reply::new(&mut output, false);
    interpreter.write_reply(&result.unwrap(), false, &mut reply).unwrap();
    output.slices().collect::<Vec<_>>().concat()
}

/// The text of a bulk string.
fn bulk(reply: &[u8]) -> &[u8] {
    let start = reply.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    &reply[start..reply.len() - 2]
}

/// Values that JSON and Lua both can tell apart: no empty arrays, which are empty objects to Lua, and no
/// numbers of more digits than are written.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-1000..1000).prop_map(|n| Value::from(n as f64 / 8.0)),
        "[\u{0}-\u{ffff}]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..6).prop_map(Value::from),
            prop::collection::vec(("[a-z]{1,6}", inner), 0..6).prop_map(|pairs| Value::from(Map::from_iter(pairs))),
        ]
    })
}

/// Whole numbers are whole, however they were written.
fn normal(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let number = number.as_f64().unwrap();
            if number.fract() == 0.0 { Value::from(number as i64) } else { Value::from(number) }
        }
        Value::Array(values) => values.into_iter().map(normal).collect(),
        Value::Object(pairs) => pairs.into_iter().map(|(key, value)| (key, normal(value))).collect(),
        value => value,
    }
}

/// As [`normal`], without the pairs whose value is null: Lua has no such pairs.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(pairs) => pairs
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect(),
        Value::Array(values) => values.into_iter().map(without_nulls).collect(),
        value => normal(value),
    }
}

fn has_null_in_array(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(|value| value.is_null() || has_null_in_array(value)),
        Value::Object(pairs) => pairs.values().any(has_null_in_array),
        _ => false,
    }
}

proptest! {
    #[test]
    fn json_goes_to_lua_and_back(values in prop::collection::vec(values(), 1..8)) {
        let interpreter = Interpreter::new(false);
        for value in values {
            let json = serde_json::to_vec(&value).unwrap();
            let reply = run(&interpreter, "return cjson.encode(cjson.decode(ARGV[1]))", &[&json]);
            let back: Value = serde_json::from_slice(bulk(&reply)).unwrap();
            prop_assert_eq!(normal(back), normal(value));
        }
    }

    #[test]
    fn messagepack_goes_there_and_back(values in prop::collection::vec(values(), 1..8)) {
        let interpreter = Interpreter::new(false);
        for value in values.into_iter().filter(|value| !has_null_in_array(value)) {
            let json = serde_json::to_vec(&value).unwrap();
            let script = "return cjson.encode(cmsgpack.unpack(cmsgpack.pack(cjson.decode(ARGV[1]))))";
            let back: Value = serde_json::from_slice(bulk(&run(&interpreter, script, &[&json]))).unwrap();
            prop_assert_eq!(without_nulls(back), without_nulls(value));
        }
    }

    #[test]
    fn integers_are_packed_as_rust_does(
        number in prop_oneof![any::<i32>().prop_map(i64::from), -(1i64 << 53)..1 << 53], size in 1..9usize, big: bool,
    ) {
        let interpreter = Interpreter::new(false);
        let format = format!("{}i{size}", if big { '>' } else { '<' });
        let text = number.to_string();
        let reply = run(&interpreter, "return struct.pack(ARGV[1], ARGV[2])", &[format.as_bytes(), text.as_bytes()]);
        let mut bytes = number.to_le_bytes()[..size].to_vec();
        if big {
            bytes.reverse();
        }
        prop_assert_eq!(bulk(&reply), &bytes[..]);
        let unpacked = run(&interpreter, "return tostring(struct.unpack(ARGV[1], ARGV[2])) .. ''", &[format.as_bytes(), &bytes]);
        let unused = 64 - 8 * size as u32;
        let wrapped = number << unused >> unused;
        let shown: f64 = std::str::from_utf8(bulk(&unpacked)).unwrap().parse().unwrap();
        prop_assert!((shown - wrapped as f64).abs() <= wrapped.unsigned_abs() as f64 * 1e-13);
    }

    /// Whatever they are fed, they answer or fail.
    #[test]
    fn no_bytes_break_them(bytes in prop::collection::vec(any::<u8>(), 0..60), format in "[<>!0-9bBhHiIlLTfdsxc ]{0,12}") {
        let interpreter = Interpreter::new(false);
        // Lua's `pcall` asks for no room for its own result beside many, which it minds where it checks itself.
        let script = "local function try(f, ...)
                return pcall(function(...) return #{f(...)} end, ...)
            end
            return {try(cjson.decode, ARGV[1]), try(cmsgpack.unpack, ARGV[1]),
                try(struct.unpack, ARGV[2], ARGV[1]), try(struct.size, ARGV[2]), try(cjson.encode, ARGV[1])}";
        let reply = run(&interpreter, script, &[&bytes, format.as_bytes()]);
        prop_assert!(reply.starts_with(b"*"));
    }
}
