//! SORT: by number or as text, by the elements themselves or by what keys named after them hold.

use super::prelude::*;
use crate::encoding::number::parse_f64;
use crate::keyspace::{Entry, Keyspace};
use crate::server::collation;
use crate::types::Type;
use crate::types::hash::Hash;
use crate::types::list::List;
use crate::types::set::Set;
use crate::types::zset::ZSet;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

pub const COMMANDS: &[&Command] = &[&SORT, &SORT_RO];

pub const SORT: Command = Command {
    name: "sort",
    summary: "Sorts the elements of a list, a set or a sorted set, and may store them",
    arity: -2,
    flags: WRITE | DENYOOM | MOVABLE_KEYS,
    categories: category::SET | category::SORTEDSET | category::LIST | category::DANGEROUS,
    keys: &[
        KeySpec::one(1, RO | ACCESS),
        KeySpec {
            begin: Begin::Unknown,
            find: Find::Unknown,
            flags: RO | ACCESS,
            notes: "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort",
        },
        KeySpec {
            begin: Begin::Unknown,
            find: Find::Unknown,
            flags: OW | UPDATE,
            notes: "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument array",
        },
    ],
    args: "key:key#0 by-pattern:pattern~pattern#1=BY? limit{offset:int count:int}=LIMIT? get-pattern:pattern~pattern#1=GET?+* order(asc=ASC | desc=DESC)? sorting=ALPHA? destination:key#2=STORE?",
    key_finder: Some(sort_keys),
    handler: Handler::Data(sort),
    ..Command::DEFAULT
};

fn sort(ctx: &mut DataContext, args: &Args) -> CommandResult {
    Options::parse(args, true, ctx.caller.may_read_any_key(args))?.run(ctx, &args[1])
}

/// The key to sort, and the key of the last STORE, which counts.
fn sort_keys(args: &Args) -> Option<Vec<FoundKey>> {
    let mut found = source_key(args)?;
    let mut index = 2;
    while index < args.len() {
        index += match () {
            () if args.is(index, "limit") => 3,
            () if args.is(index, "by") || args.is(index, "get") => 2,
            () if args.is(index, "store") && index + 1 < args.len() => {
                found.truncate(1);
                found.push(FoundKey { index: index + 1, flags: OW | UPDATE });
                1
            }
            () => 1,
        };
    }
    Some(found)
}

fn source_key(_: &Args) -> Option<Vec<FoundKey>> {
    Some(vec![FoundKey { index: 1, flags: RO | ACCESS }])
}

pub const SORT_RO: Command = Command {
    name: "sort_ro",
    summary: "Sorts the elements of a list, a set or a sorted set",
    since: "7.0.0",
    arity: -2,
    flags: READONLY | MOVABLE_KEYS,
    categories: category::SET | category::SORTEDSET | category::LIST | category::DANGEROUS,
    keys: &[
        KeySpec::one(1, RO | ACCESS),
        KeySpec {
            begin: Begin::Unknown,
            find: Find::Unknown,
            flags: RO | ACCESS,
            notes: "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort",
        },
    ],
    args: "key:key#0 by-pattern:pattern~pattern#1=BY? limit{offset:int count:int}=LIMIT? get-pattern:pattern~pattern#1=GET?+* order(asc=ASC | desc=DESC)? sorting=ALPHA?",
    key_finder: Some(source_key),
    handler: Handler::Data(sort_ro),
    ..Command::DEFAULT
};

fn sort_ro(ctx: &mut DataContext, args: &Args) -> CommandResult {
    Options::parse(args, false, ctx.caller.may_read_any_key(args))?.run(ctx, &args[1])
}

/// Elements, each with the number or text that it sorts by.
type Keyed<'e, T> = Vec<(T, &'e [u8])>;

#[derive(Default)]
struct Options<'a> {
    by: Option<Pattern<'a>>,
    /// There was a BY that does not depend on the element.
    ///
    /// COMPAT: it keeps its effect if another one follows.
    unsorted: bool,
    /// What to reply for each element; nothing stands for the element itself.
    get: Vec<Pattern<'a>>,
    alpha: bool,
    descending: bool,
    offset: i64,
    /// All if negative.
    count: i64,
    store: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    /// Patterns name keys that the access check did not see, so the user must be allowed to read any key.
    fn parse(args: &Args<'a>, may_store: bool, may_read_any_key: bool) -> Result<Options<'a>, CommandError> {
        const BY_DENIED: CommandError =
            CommandError::new("ERR BY option of SORT denied due to insufficient ACL permissions.");
        const GET_DENIED: CommandError =
            CommandError::new("ERR GET option of SORT denied due to insufficient ACL permissions.");
        let mut parsed = Options { count: -1, ..Options::default() };
        let mut options = args.from(2);
        while !options.is_empty() {
            let values = options.len() - 1;
            let taken = match () {
                () if options.is(0, "asc") => {
                    parsed.descending = false;
                    1
                }
                () if options.is(0, "desc") => {
                    parsed.descending = true;
                    1
                }
                () if options.is(0, "alpha") => {
                    parsed.alpha = true;
                    1
                }
                () if options.is(0, "limit") && values >= 2 => {
                    (parsed.offset, parsed.count) = (options.int(1)?, options.int(2)?);
                    3
                }
                () if options.is(0, "store") && values >= 1 && may_store => {
                    parsed.store = Some(options.get(1));
                    2
                }
                () if options.is(0, "by") && values >= 1 => {
                    let pattern = Pattern::of_key(options.get(1));
                    parsed.unsorted |= matches!(pattern, Pattern::Constant);
                    if !parsed.unsorted && !may_read_any_key {
                        return Err(BY_DENIED);
                    }
                    parsed.by = Some(pattern);
                    2
                }
                () if options.is(0, "get") && values >= 1 => {
                    if !may_read_any_key {
                        return Err(GET_DENIED);
                    }
                    parsed.get.push(Pattern::parse(options.get(1)));
                    2
                }
                () => return Err(CommandError::SYNTAX),
            };
            options = options.from(taken);
        }
        Ok(parsed)
    }

    fn run(mut self, ctx: &mut DataContext, key: &[u8]) -> CommandResult {
        let keyspace = &mut *ctx.keyspace;
        let (type_, texts) = match keyspace.read(key) {
            None => (Type::List, Texts::default()),
            Some(entry) => (entry.type_(), Texts::of(&entry).ok_or(CommandError::WRONG_TYPE)?),
        };
        let mut elements: Vec<&[u8]> = texts.iter().collect();
        let range = self.range(elements.len());
        if self.unsorted && !has_order(type_) && (self.store.is_some() || ctx.caller.is_script()) {
            // The order that is stored, or that a script may store, must not depend on the encoding of a set.
            (self.unsorted, self.alpha, self.by) = (false, true, None);
        }
        let elements = if self.unsorted {
            if self.descending && has_order(type_) {
                elements.reverse();
            }
            elements.drain(..range.start);
            elements.truncate(range.len());
            elements
        } else if self.alpha {
            self.sorted(self.texts(keyspace, &elements), range, |a, b| a.cmp(b))
        } else {
            let weights = self.weights(keyspace, &elements)?;
            self.sorted(weights, range, |(a, x), (b, y)| a.partial_cmp(b).unwrap_or(Ordering::Equal).then(x.cmp(y)))
        };
        match self.store {
            Some(destination) => self.store(ctx, destination, &elements),
            None => self.reply(ctx, &elements),
        }
        Ok(())
    }

    /// The indices that LIMIT leaves.
    fn range(&self, len: usize) -> Range<usize> {
        let start = (self.offset.max(0) as usize).min(len);
        let end = if self.count < 0 { len } else { start.saturating_add(self.count as usize).min(len) };
        start..end
    }

    /// Sorts the elements by the first part of each pair, and gives those in a range of the result.
    fn sorted<'e, T>(
        &self,
        mut elements: Keyed<'e, T>,
        range: Range<usize>,
        compare: impl Fn(&(T, &[u8]), &(T, &[u8])) -> Ordering,
    ) -> Vec<&'e [u8]> {
        let compare = |a: &(T, &[u8]), b: &(T, &[u8])| if self.descending { compare(b, a) } else { compare(a, b) };
        if range.is_empty() {
            return Vec::new();
        }
        // Elements outside the range need not be in order.
        if range.end < elements.len() {
            elements.select_nth_unstable_by(range.end - 1, compare);
            elements.truncate(range.end);
        }
        if range.start > 0 {
            elements.select_nth_unstable_by(range.start, compare);
            elements.drain(..range.start);
        }
        elements.sort_by(compare);
        elements.into_iter().map(|(_, element)| element).collect()
    }

    /// The elements, each with the number that it sorts by.
    fn weights<'e>(&self, keyspace: &mut Keyspace, elements: &[&'e [u8]]) -> Result<Keyed<'e, f64>, CommandError> {
        const NO_DOUBLE: CommandError = CommandError::new("ERR One or more scores can't be converted into double");
        let weight = |&element: &&'e [u8]| {
            let weight = match &self.by {
                None => parse_weight(element),
                Some(pattern) => pattern.look_up(keyspace, element, |value| value.map_or(Some(0.0), parse_weight)),
            };
            Some((weight?, element))
        };
        elements.iter().map(weight).collect::<Option<_>>().ok_or(NO_DOUBLE)
    }

    /// The elements, each with the text that it sorts by; None comes first.
    fn texts<'e>(&self, keyspace: &mut Keyspace, elements: &[&'e [u8]]) -> Keyed<'e, Option<Cow<'e, [u8]>>> {
        // The stored order must be the same on primary and replica, whatever their locale.
        let bytewise = self.store.is_some() || collation::is_bytewise();
        let text = |&element: &&'e [u8]| {
            let text = match &self.by {
                None if bytewise => Some(Cow::Borrowed(element)),
                None => Some(Cow::Owned(collation::sort_key(element))),
                Some(pattern) => pattern.look_up(keyspace, element, |value| {
                    value.map(|value| Cow::Owned(if bytewise { value.to_vec() } else { collation::sort_key(value) }))
                }),
            };
            (text, element)
        };
        elements.iter().map(text).collect()
    }

    /// How many values are given for each element.
    fn values_each(&self) -> usize {
        self.get.len().max(1)
    }

    fn reply(&self, ctx: &mut DataContext, elements: &[&[u8]]) {
        let DataContext { keyspace, reply, .. } = ctx;
        reply.array(elements.len() * self.values_each());
        for element in elements {
            if self.get.is_empty() {
                reply.bulk(element);
            }
            for pattern in &self.get {
                pattern.look_up(keyspace, element, |value| match value {
                    Some(value) => reply.bulk(value),
                    None => reply.null(),
                });
            }
        }
    }

    fn store(&self, ctx: &mut DataContext, destination: &[u8], elements: &[&[u8]]) {
        let keyspace = &mut *ctx.keyspace;
        let limits = ctx.config.list_limits();
        let count = elements.len() * self.values_each();
        let list = if self.get.is_empty() {
            List::collect(elements.iter().copied(), limits)
        } else {
            let mut values = Texts::default();
            for element in elements {
                for pattern in &self.get {
                    pattern.look_up(keyspace, element, |value| values.push(value.unwrap_or_default()));
                }
            }
            List::collect(values.iter(), limits)
        };
        let was_there = keyspace.delete_implicitly(destination);
        if count > 0 {
            keyspace.write_collection_or(destination, || list).expect("there is nothing else any more");
            keyspace.notify(EventClass::LIST, "sortstore", destination);
            keyspace.effects.dirty += count as u64;
        } else if was_there {
            keyspace.changed(EventClass::GENERIC, "del", destination);
        }
        ctx.reply.integer(count as i64);
    }
}

/// Whether the elements of such a value have an order of their own.
fn has_order(type_: Type) -> bool {
    matches!(type_, Type::List | Type::ZSet)
}

/// A weight as C's strtod reads it.
///
/// COMPAT: nothing at all is zero, and blanks may come before a number but not after it.
fn parse_weight(text: &[u8]) -> Option<f64> {
    if text.is_empty() { Some(0.0) } else { parse_f64(text.trim_ascii_start()) }
}

/// Byte strings one after the other.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    /// The elements of a value; None if it is of a type that is not sorted.
    fn of(entry: &Entry) -> Option<Texts> {
        let mut texts = Texts::default();
        match entry.type_() {
            Type::List => {
                let list = entry.collection::<List>().expect("it is one");
                list.for_each(0..list.len(), |element| texts.push(&element));
            }
            Type::Set => {
                let set = entry.collection::<Set>().expect("it is one");
                let mut digits = itoa::Buffer::new();
                set.iter().for_each(|member| texts.push(member.bytes(&mut digits)));
            }
            Type::ZSet => {
                let zset = entry.collection::<ZSet>().expect("it is one");
                zset.for_each(|member, _| texts.push(member));
            }
            _ => return None,
        }
        Some(texts)
    }

    fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }
}

/// Where BY and GET look.
enum Pattern<'a> {
    /// `#`: the element itself.
    Element,
    /// Without a `*` there is nothing to be found.
    Constant,
    /// A key with the element between these two, or a field of it.
    Key { before: &'a [u8], after: &'a [u8], field: Option<&'a [u8]> },
}

impl<'a> Pattern<'a> {
    /// What GET names.
    fn parse(text: &'a [u8]) -> Pattern<'a> {
        if text == b"#" { Pattern::Element } else { Self::of_key(text) }
    }

    /// What BY names.
    fn of_key(text: &'a [u8]) -> Pattern<'a> {
        let Some(star) = text.iter().position(|&byte| byte == b'*') else { return Pattern::Constant };
        let (before, after) = (&text[..star], &text[star + 1..]);
        match after.windows(2).position(|two| two == b"->") {
            // An arrow to nothing is part of the key's name.
            Some(arrow) if arrow + 2 < after.len() => {
                Pattern::Key { before, after: &after[..arrow], field: Some(&after[arrow + 2..]) }
            }
            _ => Pattern::Key { before, after, field: None },
        }
    }

    /// Looks at the value for an element.
    fn look_up<R>(&self, keyspace: &mut Keyspace, element: &[u8], f: impl FnOnce(Option<&[u8]>) -> R) -> R {
        match self {
            Pattern::Element => f(Some(element)),
            Pattern::Constant => f(None),
            Pattern::Key { before, after, field } => {
                let key = [before, element, after].concat();
                let Some(entry) = keyspace.read(&key) else { return f(None) };
                match field {
                    None => {
                        let mut digits = itoa::Buffer::new();
                        f(entry.string().map(|string| string.bytes(&mut digits)))
                    }
                    Some(field) => {
                        let hash = entry.collection::<Hash>();
                        f(hash.as_deref().and_then(|hash| hash.get(field)))
                    }
                }
            }
        }
    }
}
