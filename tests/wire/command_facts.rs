//! What COMMAND says of every command, held against what Redis 7.2.4 said (tests/data), and
//! docs/compatibility.md, which says which commands there are.

use super::harness::*;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// A RESP3 reply as JSON; sets are sorted arrays.
fn parse(reply: &mut &[u8]) -> Value {
    let end = reply.windows(2).position(|w| w == b"\r\n").unwrap();
    let (line, rest) = reply.split_at(end);
    *reply = &rest[2..];
    let text = std::str::from_utf8(&line[1..]).unwrap();
    let count = || text.parse::<usize>().unwrap();
    match line[0] {
        b'+' => json!(text),
        b':' => json!(text.parse::<i64>().unwrap()),
        b'_' => Value::Null,
        b'$' => {
            let (value, rest) = reply.split_at(count());
            *reply = &rest[2..];
            json!(std::str::from_utf8(value).unwrap())
        }
        b'*' => (0..count()).map(|_| parse(reply)).collect(),
        b'~' => {
            let mut members: Vec<Value> = (0..count()).map(|_| parse(reply)).collect();
            members.sort_by_key(Value::to_string);
            members.into()
        }
        b'%' => {
            Value::Object((0..count()).map(|_| (parse(reply).as_str().unwrap().to_owned(), parse(reply))).collect())
        }
        kind => panic!("unexpected reply type {:?}", kind as char),
    }
}

fn ask(client: &mut Client, command: &str) -> Value {
    parse(&mut client.ask(command).as_bytes())
}

fn sort(array: &mut Value) {
    array.as_array_mut().unwrap().sort_by_key(Value::to_string);
}

/// Sorts what is a set in a recorded COMMAND INFO.
fn sort_info(info: &mut Value) {
    for set in [2, 6, 7, 8, 9] {
        for member in info[set].as_array_mut().unwrap() {
            match set {
                8 => sort(&mut member["flags"]),
                9 => sort_info(member),
                _ => (),
            }
        }
        sort(&mut info[set]);
    }
}

/// Sorts what is a set in recorded COMMAND DOCS.
fn sort_docs(docs: &mut Map<String, Value>) {
    for (name, value) in docs.iter_mut() {
        match name.as_str() {
            "flags" | "doc_flags" => sort(value),
            "arguments" => value.as_array_mut().unwrap().iter_mut().for_each(|a| sort_docs(a.as_object_mut().unwrap())),
            _ => (),
        }
    }
}

/// Commands and subcommands of Redis 7.2.4 by their full names: what COMMAND INFO said.
fn recorded_info() -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for line in include_str!("../data/redis-7.2.4-command-info.jsonl").lines() {
        let mut info: Value = serde_json::from_str(line).unwrap();
        sort_info(&mut info);
        let subcommands = std::mem::take(&mut info[9]);
        all.insert(info[0].as_str().unwrap().to_owned(), info);
        for mut subcommand in subcommands.as_array().unwrap().clone() {
            subcommand[9] = Value::Null;
            all.insert(subcommand[0].as_str().unwrap().to_owned(), subcommand);
        }
    }
    all
}

/// As [`recorded_info`], what COMMAND DOCS said, without texts for people.
fn recorded_docs() -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for line in include_str!("../data/redis-7.2.4-command-docs.jsonl").lines() {
        let docs: Map<String, Value> = serde_json::from_str(line).unwrap();
        for (name, mut docs) in docs {
            let docs_map = docs.as_object_mut().unwrap();
            let subcommands = docs_map.remove("subcommands");
            sort_docs(docs_map);
            all.insert(name, docs);
            for (name, mut docs) in subcommands.and_then(|s| s.as_object().cloned()).into_iter().flatten() {
                sort_docs(docs.as_object_mut().unwrap());
                all.insert(name, docs);
            }
        }
    }
    all
}

fn names(client: &mut Client) -> Vec<String> {
    ask(client, "COMMAND LIST").as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[test]
fn command_info_is_that_of_redis() {
    let (_server, mut client) = server_and_client();
    client.ask("HELLO 3");
    let recorded = recorded_info();
    for name in names(&mut client) {
        let mut info = ask(&mut client, &format!("COMMAND INFO {name}"))[0].take();
        sort(&mut info[8]);
        let subcommands = info[9].take();
        assert_eq!(Some(&info), recorded.get(&name), "{name}");
        for subcommand in subcommands.as_array().unwrap() {
            assert!(recorded.contains_key(subcommand[0].as_str().unwrap()), "{subcommand}");
        }
    }
}

#[test]
fn command_docs_are_those_of_redis() {
    let (_server, mut client) = server_and_client();
    client.ask("HELLO 3");
    let recorded = recorded_docs();
    for name in names(&mut client) {
        let mut docs = ask(&mut client, &format!("COMMAND DOCS {name}"))[&name].take();
        let docs_map = docs.as_object_mut().unwrap();
        docs_map.remove("subcommands");
        let summary = docs_map.remove("summary");
        assert!(summary.is_some_and(|text| !text.as_str().unwrap().is_empty()), "{name} has a summary");
        assert_eq!(Some(&docs), recorded.get(&name), "{name}");
    }
}

/// The table of docs/compatibility.md stays true: `UPDATE=1 cargo test --test wire compatibility`
/// writes it.
#[test]
fn compatibility_is_documented() {
    const MARK: &str = "<!-- From here on written by a test: tests/wire/command_facts.rs -->\n";
    let (_server, mut client) = server_and_client();
    client.ask("HELLO 3");
    let ours: BTreeSet<String> = names(&mut client).into_iter().collect();
    let recorded = recorded_info();
    let mut groups: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    let docs = recorded_docs();
    for name in recorded.keys() {
        groups.entry(docs[name]["group"].as_str().unwrap().to_owned()).or_default().push(name);
    }
    let there = recorded.keys().filter(|name| ours.contains(*name)).count();
    let mut table = format!("{there} of the {} commands and subcommands of Redis 7.2.4 are there.\n", recorded.len());
    for (group, names) in groups {
        let list = |there: bool| {
            let names: Vec<String> = names
                .iter()
                .filter(|name| ours.contains(**name) == there)
                .map(|name| format!("`{}`", name.to_uppercase().replace('|', " ")))
                .collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        write!(table, "\n### {group}\n\nThere: {}.\n\nNot there: {}.\n", list(true), list(false)).unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/compatibility.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (by_hand, written) = page.split_once(MARK).expect("the mark");
    let expected = format!("\n{table}");
    if written != expected {
        assert!(std::env::var_os("UPDATE").is_some(), "{path} is stale: run this test with UPDATE=1");
        std::fs::write(path, format!("{by_hand}{MARK}{expected}")).unwrap();
    }
}
