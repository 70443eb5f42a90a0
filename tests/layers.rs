//! Holds the layer rule of `src/lib.rs`: a module imports only from modules to its left.

use std::fs;
use std::path::Path;

/// Lowest first. Modules in one row may import each other's public parts.
const LAYERS: &[&[&str]] = &[
    &["encoding"],
    &["types"],
    &["keyspace"],
    &["resp", "config"],
    &["persist", "script"],
    &["server"],
    &["engine"],
    &["commands"],
    &["net"],
];

fn layer(module: &str) -> usize {
    LAYERS.iter().position(|layer| layer.contains(&module)).unwrap_or_else(|| panic!("no layer for module {module}"))
}

fn sources(dir: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The modules that `text` names after `crate::`, those in braces included.
fn imported(text: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut modules = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let after = &text[at + "crate::".len()..];
        match after.strip_prefix('{') {
            None => modules.push(word(after)),
            Some(list) => {
                let mut depth = 0;
                let mut start = true;
                for (i, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && !c.is_whitespace() => {
                            modules.push(word(&list[i..]));
                            start = false;
                        }
                        _ => (),
                    }
                }
            }
        }
    }
    modules
}

#[test]
fn nothing_imports_to_its_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let module = relative.components().next().unwrap().as_os_str().to_str().unwrap();
        if ["lib.rs", "main.rs"].contains(&module) {
            continue;
        }
        let module = module.trim_end_matches(".rs");
        for import in imported(&fs::read_to_string(&file).unwrap()) {
            if import != module && layer(&import) > layer(module) {
                wrong.push(format!("{} imports crate::{import}", relative.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the layer rule:\n{}", wrong.join("\n"));
}

#[test]
fn imports_are_found() {
    assert_eq!(imported("use crate::{a::b, c::{d, e}, f};\ncrate::g::h()"), ["a", "c", "f", "g"]);
}
