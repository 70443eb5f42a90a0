//! The request parser: any bytes, cut anywhere, are requests or a protocol error; the cut does not
//! matter, and a request taken as it came is the same when it is encoded again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rondo::resp::encode_request;
use rondo::resp::request::{Batch, Limits, Parsed, RequestParser};

/// The requests in `input` when it comes in pieces of `piece` bytes, and the error that ends them.
fn feed(input: &[u8], piece: usize) -> (Vec<Vec<Vec<u8>>>, Option<String>) {
    let limits = Limits { bulk_max: 1 << 20, authenticated: true, in_place: false };
    let (mut parser, mut batch) = (RequestParser::default(), Batch::default());
    let (mut buffer, mut requests, mut rest) = (Vec::new(), Vec::new(), input);
    while !rest.is_empty() {
        let mut count = piece.min(rest.len());
        match parser.long_argument() {
            Some(long) => {
                count = count.min(long.len());
                long[..count].copy_from_slice(&rest[..count]);
                parser.long_argument_filled(count);
            }
            None => buffer.extend_from_slice(&rest[..count]),
        }
        rest = &rest[count..];
        let mut start = 0;
        loop {
            let parsed = parser.parse(&buffer, start, 5, limits, &mut batch);
            for i in 0..batch.len() {
                let args = batch.args(i, &buffer);
                requests.push(args.iter().map(<[u8]>::to_vec).collect());
            }
            batch.clear();
            match parsed {
                Err(error) => return (requests, Some(error.0)),
                Ok(Parsed::Full(next)) => start = next,
                Ok(Parsed::Incomplete(keep)) => {
                    buffer = buffer[keep].to_vec();
                    break;
                }
            }
        }
    }
    (requests, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((&piece, input)) = data.split_first() else { return };
    let whole = feed(input, usize::MAX);
    assert_eq!(feed(input, piece as usize + 1), whole);
    let mut again = Vec::new();
    whole.0.iter().for_each(|request| encode_request(&mut again, request.iter().map(|argument| &argument[..])));
    assert_eq!(feed(&again, 7).0, whole.0);
});
