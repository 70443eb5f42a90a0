//! COMMAND DOCS, and the notation in which a spec says what arguments a command takes.
//!
//! Arguments are separated by spaces. One is a name and, in this order, what applies of:
//!
//! ```text
//! :type        int, double, key, pattern, unix-time or string. Without one it is a string, or
//!              with a token nothing but that token
//! (a | b)      instead of a type: one of these arguments
//! {a b}        instead of a type: these arguments in a row
//! ~text        what to call it where people read, if not by its name
//! #0           the key spec that finds it
//! =TOKEN       the word before it; ='~' if it is more than letters, digits, - and _
//! ?            optional
//! +            may be repeated
//! *            so may its token
//! ^6.2.0       since when it is there
//! !2.8.12      since when it is deprecated
//! ```
//!
//! So `SET key value [NX | XX] [EX seconds]` is
//! `key:key#0 value condition(nx=NX | xx=XX)? seconds:int=EX?`.

use super::command::{subcommands, table_and_reply};
use crate::commands::prelude::*;

/// One argument of a command.
#[derive(Debug, PartialEq)]
struct Argument<'a> {
    name: &'a str,
    kind: Kind<'a>,
    display: Option<&'a str>,
    key_spec: Option<i64>,
    token: Option<&'a str>,
    /// Of `optional`, `multiple` and `multiple_token`.
    flags: Vec<&'static str>,
    since: Option<&'a str>,
    deprecated_since: Option<&'a str>,
}

#[derive(Debug, PartialEq)]
enum Kind<'a> {
    /// By the name it goes by in COMMAND DOCS.
    Plain(&'static str),
    OneOf(Vec<Argument<'a>>),
    Block(Vec<Argument<'a>>),
}

/// Reads the notation; panics where it is not in order, for it comes from a spec.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn take(&mut self, mark: &str) -> bool {
        let rest = self.rest.strip_prefix(mark);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// What comes before any of the `ends`.
    fn until(&mut self, ends: &str) -> &'a str {
        let at = self.rest.find(|c| ends.contains(c)).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(at);
        self.rest = rest;
        text
    }

    /// Arguments between a separator and up to an end.
    fn arguments(&mut self, separator: &str, end: &str) -> Vec<Argument<'a>> {
        let mut arguments = vec![self.argument()];
        while self.take(separator) {
            arguments.push(self.argument());
        }
        assert!(self.take(end), "{end:?} expected before {:?}", self.rest);
        arguments
    }

    fn argument(&mut self) -> Argument<'a> {
        let name = self.until(":({~#=?+*^! )}");
        let kind = match () {
            _ if self.take("(") => Some(Kind::OneOf(self.arguments(" | ", ")"))),
            _ if self.take("{") => Some(Kind::Block(self.arguments(" ", "}"))),
            _ if self.take(":") => Some(Kind::Plain(type_name(self.until("~#=?+*^! )}")))),
            _ => None,
        };
        let display = self.take("~").then(|| self.until("#=?+*^! )}"));
        let key_spec = self.take("#").then(|| self.until("=?+*^! )}").parse().expect("a number of a key spec"));
        let token = match () {
            _ if self.take("='") => {
                let token = self.until("'");
                self.take("'");
                Some(token)
            }
            _ if self.take("=") => Some(self.until("?+*^! )}")),
            _ => None,
        };
        let marks = [("?", "optional"), ("+", "multiple"), ("*", "multiple_token")];
        let flags = marks.into_iter().filter(|(mark, _)| self.take(mark)).map(|(_, flag)| flag).collect();
        let since = self.take("^").then(|| self.until("! )}"));
        let deprecated_since = self.take("!").then(|| self.until(" )}"));
        let kind = kind.unwrap_or(Kind::Plain(if token.is_some() { "pure-token" } else { "string" }));
        Argument { name, kind, display, key_spec, token, flags, since, deprecated_since }
    }
}

fn type_name(notation: &str) -> &'static str {
    const TYPES: &[(&str, &str)] = &[
        ("int", "integer"),
        ("double", "double"),
        ("key", "key"),
        ("pattern", "pattern"),
        ("unix-time", "unix-time"),
        ("string", "string"),
    ];
    TYPES.iter().find(|(known, _)| *known == notation).map(|(_, name)| *name).expect("a type of the notation")
}

fn parse(notation: &str) -> Vec<Argument<'_>> {
    if notation.is_empty() {
        return Vec::new();
    }
    let mut parser = Parser { rest: notation };
    let arguments = parser.arguments(" ", "");
    assert_eq!(parser.rest, "", "after the arguments");
    arguments
}

pub fn docs(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let (table, mut reply) = table_and_reply(server, id);
    let found: Vec<(&str, &Command)> = if args.len() == 2 {
        table.top_level().map(|(_, found)| (found.command.name, found.command)).collect()
    } else {
        let named = args.from(2).iter().filter_map(|name| table.find_full(name));
        named.map(|found| (table.full_name(found.index), found.command)).collect()
    };
    reply.map(found.len());
    found.iter().for_each(|(name, command)| document(&mut reply, name, command));
    Ok(())
}

/// A field of which both the name and the value are text.
fn text(reply: &mut Reply, field: &str, value: &str) {
    reply.bulk(field.as_bytes());
    reply.bulk(value.as_bytes());
}

fn names<'a>(reply: &mut Reply, field: &str, names: impl ExactSizeIterator<Item = &'a str>) {
    reply.bulk(field.as_bytes());
    reply.set(names.len());
    names.for_each(|name| reply.simple(name));
}

fn document(reply: &mut Reply, full_name: &str, command: &'static Command) {
    let arguments = parse(command.args);
    let flags = [command.deprecated.map(|_| "deprecated"), command.system.then_some("syscmd")];
    let flags: Vec<&str> = flags.into_iter().flatten().collect();
    let optional = [!flags.is_empty(), !arguments.is_empty(), !command.subcommands.is_empty()];
    let fields = 3 + optional.iter().filter(|&&there| there).count() + 2 * command.deprecated.iter().len();
    reply.bulk(full_name.as_bytes());
    reply.map(fields);
    text(reply, "summary", command.summary);
    text(reply, "since", command.since);
    text(reply, "group", command.group.name());
    if !flags.is_empty() {
        names(reply, "doc_flags", flags.into_iter());
    }
    if let Some((since, replacement)) = command.deprecated {
        text(reply, "deprecated_since", since);
        text(reply, "replaced_by", replacement);
    }
    if !arguments.is_empty() {
        document_arguments(reply.named("arguments"), &arguments);
    }
    if !command.subcommands.is_empty() {
        reply.named("subcommands").map(command.subcommands.len());
        subcommands(command).for_each(|(name, subcommand)| document(reply, &name, subcommand));
    }
}

fn document_arguments(reply: &mut Reply, arguments: &[Argument]) {
    reply.array(arguments.len());
    for argument in arguments {
        let (kind, parts) = match &argument.kind {
            Kind::Plain(kind) => (*kind, None),
            Kind::OneOf(parts) => ("oneof", Some(parts)),
            Kind::Block(parts) => ("block", Some(parts)),
        };
        let display = parts.is_none().then(|| argument.display.unwrap_or(argument.name));
        let texts = [
            ("display_text", display),
            ("token", argument.token),
            ("since", argument.since),
            ("deprecated_since", argument.deprecated_since),
        ];
        let others = argument.key_spec.iter().len() + !argument.flags.is_empty() as usize + parts.iter().len();
        reply.map(2 + texts.iter().filter(|(_, value)| value.is_some()).count() + others);
        text(reply, "name", argument.name);
        text(reply, "type", kind);
        if let Some(number) = argument.key_spec {
            reply.named("key_spec_index").integer(number);
        }
        for (field, value) in texts {
            if let Some(value) = value {
                text(reply, field, value);
            }
        }
        if !argument.flags.is_empty() {
            names(reply, "flags", argument.flags.iter().copied());
        }
        if let Some(parts) = parts {
            document_arguments(reply.named("arguments"), parts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain<'a>(name: &'a str, kind: &'static str) -> Argument<'a> {
        Argument {
            name,
            kind: Kind::Plain(kind),
            display: None,
            key_spec: None,
            token: None,
            flags: Vec::new(),
            since: None,
            deprecated_since: None,
        }
    }

    #[test]
    fn the_notation() {
        let sign = Argument { token: Some("~"), ..plain("approximately", "pure-token") };
        let number = Argument { display: Some("how:many"), token: Some("LIMIT"), ..plain("count", "integer") };
        let choice = Argument { kind: Kind::OneOf(vec![sign, number]), flags: vec!["optional"], ..plain("trim", "") };
        let pair = Kind::Block(vec![plain("field", "string"), plain("value", "double")]);
        let pairs = Argument {
            kind: pair,
            flags: vec!["multiple", "multiple_token"],
            since: Some("6.2.0"),
            ..plain("data", "")
        };
        let key = Argument { key_spec: Some(0), deprecated_since: Some("7.0.0"), ..plain("key", "key") };
        assert_eq!(
            parse(
                "key:key#0!7.0.0 trim(approximately='~' | count:int~how:many=LIMIT)? data{field value:double}+*^6.2.0"
            ),
            [key, choice, pairs]
        );
    }
}
