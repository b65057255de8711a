//! Rules of the repository: what the documents say is so, and every crate keeps the same rules.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its repository fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Parser as _;
use switcher_user::cli::{args::Cli, exit::Exit};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The fenced blocks of a document in one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn documents() -> Vec<(String, String)> {
    let mut found = vec![];
    for dir in ["", "docs"] {
        for entry in fs::read_dir(root().join(dir)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() >= 5, "documents are missing: {found:?}");
    found
}

#[test]
fn configurations_in_documents_are_accepted() {
    let mut seen = 0;
    for (name, text) in documents() {
        for block in blocks(&text, "toml") {
            switcher_user::config::parse(&block)
                .unwrap_or_else(|problems| panic!("{name}: {problems}\n{block}"));
            seen += 1;
        }
    }
    assert!(seen >= 1);
}

#[test]
fn commands_in_documents_are_understood() {
    let mut seen = 0;
    for (name, text) in documents() {
        for block in blocks(&text, "console") {
            for line in block.lines().filter_map(|line| line.strip_prefix("$ switcher ")) {
                let words = ["switcher"].into_iter().chain(line.split_whitespace());
                Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{name}: switcher {line}: {error}"));
                seen += 1;
            }
        }
    }
    assert!(seen >= 5);
}

#[test]
fn the_readme_lists_the_exit_codes() {
    let readme = read("README.md");
    for exit in Exit::ALL {
        let row = format!("| {} | {} |", *exit as u8, exit.meaning());
        assert!(readme.contains(&row), "README.md lacks: {row}");
    }
}

#[test]
fn links_in_documents_lead_somewhere() {
    for (name, text) in documents() {
        for target in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if target.starts_with("http") || target.starts_with('#') {
                continue;
            }
            let path = Path::new(&name).parent().unwrap().join(target);
            assert!(path.exists(), "{name}: {target} does not exist");
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = vec![];
    for member in ["switcher-common", "switcher-ebpf", "switcher-user", "tests", "xtask"] {
        walk(&root().join(member), &mut found);
    }
    found
}

#[test]
fn every_crate_inherits_the_lints() {
    for member in ["switcher-common", "switcher-ebpf", "switcher-user", "tests", "xtask"] {
        let manifest = read(&format!("{member}/Cargo.toml"));
        assert!(manifest.contains("[lints]\nworkspace = true"), "{member} does not inherit the lints");
    }
}

#[test]
fn files_stay_readable() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 600, "{}: {lines} lines; split it by stage or noun", path.display());
    }
}

#[test]
fn unsafe_code_stays_where_it_is_announced() {
    let announced = [
        "switcher-common/src/abi/pod.rs",
        "switcher-ebpf/src/atomic.rs",
        "switcher-ebpf/src/deliver.rs",
        "switcher-ebpf/src/main.rs",
        "switcher-ebpf/src/maps.rs",
        "switcher-ebpf/src/nexthop.rs",
        "switcher-ebpf/src/packet.rs",
        "switcher-user/src/kernel/grace.rs",
        "switcher-user/src/kernel/log.rs",
        "switcher-user/src/plane/words.rs",
    ];
    for (path, text) in sources() {
        let relative = path.strip_prefix(root()).unwrap().display().to_string();
        if relative.starts_with("tests/") || announced.contains(&relative.as_str()) {
            continue;
        }
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let found = code.filter(|line| line.contains("unsafe {") || line.contains("unsafe impl")).count();
        assert_eq!(found, 0, "{relative} has unsafe code and is not on the list");
    }
}
