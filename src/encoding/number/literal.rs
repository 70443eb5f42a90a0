//! What may be the text of a floating-point number, whatever its precision.

/// What a slice that has the shape of a C floating-point literal spells.
pub(super) enum Literal<'a> {
    Infinite {
        negative: bool,
    },
    /// Digits with an optional point and an optional exponent; the text has its sign.
    Decimal {
        text: &'a str,
        zero: bool,
    },
    /// The same in hexadecimal, completed with the `p` exponent that C lets one leave out.
    Hexadecimal {
        text: String,
        zero: bool,
    },
}

/// Recognises what C's `strtod` would consume entirely, except for NaN, which Redis refuses.
pub(super) fn literal(text: &[u8]) -> Option<Literal<'_>> {
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
        return Some(Literal::Infinite { negative });
    }
    let hexadecimal = matches!(unsigned, [b'0', b'x' | b'X', ..]);
    let number = if hexadecimal { &unsigned[2..] } else { unsigned };

    let exponent_mark = if hexadecimal { b'p' } else { b'e' };
    let exponent_at = number.iter().position(|byte| byte.to_ascii_lowercase() == exponent_mark);
    let (significand, exponent) = match exponent_at {
        Some(at) => (&number[..at], Some(&number[at + 1..])),
        None => (number, None),
    };
    let (mut digits, mut points, mut zero) = (0, 0, true);
    for &byte in significand {
        match byte {
            b'.' => points += 1,
            b'0' => digits += 1,
            b'1'..=b'9' => (digits, zero) = (digits + 1, false),
            b'a'..=b'f' | b'A'..=b'F' if hexadecimal => (digits, zero) = (digits + 1, false),
            _ => return None,
        }
    }
    if digits == 0 || points > 1 {
        return None;
    }
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(b"-").or(exponent.strip_prefix(b"+"));
        let digits = digits.unwrap_or(exponent);
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
    }

    // Every byte was one of the ASCII ones above.
    let text = str::from_utf8(text).ok()?;
    Some(match (hexadecimal, exponent) {
        (false, _) => Literal::Decimal { text, zero },
        (true, Some(_)) => Literal::Hexadecimal { text: text.to_owned(), zero },
        (true, None) => Literal::Hexadecimal { text: format!("{text}p0"), zero },
    })
}
