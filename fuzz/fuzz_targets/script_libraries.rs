//! Bytes for what reads them on a script's behalf: JSON, MessagePack, packed structures, the first lines
//! of scripts and libraries, and what FUNCTION RESTORE takes. Whatever they are, the answer is a value or
//! an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rondo::persist::rdb::restore_libraries;
use rondo::resp::{Args, Output, Reply};
use rondo::script::interpreter::Code;
use rondo::script::{Host, Interpreter, shebang, with_host};

struct Nobody;

impl Host for Nobody {
    fn call(&mut self, _: &Args, reply: &mut Vec<u8>) -> bool {
        reply.extend_from_slice(b"-ERR nobody is there\r\n");
        false
    }
}

const SCRIPT: &[u8] = b"
local results = {pcall(cjson.decode, ARGV[1]), pcall(cjson.encode, ARGV[1])}
for _, unpack in ipairs({cmsgpack.unpack, cmsgpack.unpack_one}) do
    -- Lua's `pcall` asks for no room for its own result beside many, which it minds where it checks itself.
    local ok, value = pcall(function(text) return (unpack(text)) end, ARGV[1])
    if ok then
        results[#results + 1] = cmsgpack.pack(value)
        pcall(cjson.encode, value)
    end
end
local half = math.floor(#ARGV[1] / 2)
pcall(function(...) return {struct.unpack(...)} end, ARGV[1]:sub(1, half), ARGV[1]:sub(half + 1))
pcall(struct.size, ARGV[1])
return results";

thread_local!(static INTERPRETER: (Interpreter, Code) = {
    let interpreter = Interpreter::new(false);
    let slot = interpreter.compile(SCRIPT, 0).unwrap();
    (interpreter, Code::Script(slot))
});

fuzz_target!(|bytes: &[u8]| {
    let _ = shebang::script_flags(bytes);
    let _ = shebang::library_name(bytes);
    let _ = restore_libraries(bytes);
    INTERPRETER.with(|(interpreter, code)| {
        let arguments = std::iter::once(bytes);
        let result = with_host(&mut Nobody, || interpreter.run(*code, std::iter::empty(), arguments));
        let mut output = Output::default();
        interpreter.write_reply(&result.unwrap(), false, &mut Reply::new(&mut output, false)).unwrap();
    });
});
