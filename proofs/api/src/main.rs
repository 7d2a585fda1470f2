//! `api PUBLISHED OURS`: compares two public APIs, which are rustdoc's JSON. Fails if the published one
//! has an item that ours does not have. Prints the items that only ours has.

use std::collections::BTreeSet;
use std::process::ExitCode;

use public_api::Builder;

/// What is spelt in another way than by [`spell`], and is the same to a program.
const SAME: [&str; 1] = [
    // Ours has the method too: it is one that `Iterator` provides.
    "pub fn mio::event::Iter<'_>::count(self) -> usize",
];

fn main() -> ExitCode {
    let paths: Vec<_> = std::env::args().skip(1).collect();
    let [published, ours] = &paths[..] else {
        eprintln!("usage: api PUBLISHED OURS");
        return ExitCode::from(2);
    };
    let (published, ours) = (items(published), items(ours));
    assert!(published.len() > 100, "only {} items", published.len());
    let missing: Vec<_> = published
        .difference(&ours)
        .filter(|item| !SAME.contains(&item.as_str()))
        .collect();
    missing.iter().for_each(|item| println!("missing: {item}"));
    ours.difference(&published)
        .for_each(|item| println!("added: {item}"));
    println!(
        "{} published items, {} missing",
        published.len(),
        missing.len()
    );
    ExitCode::from(u8::from(!missing.is_empty()))
}

/// Returns the items of an API, each spelt in one way.
fn items(path: &str) -> BTreeSet<String> {
    let api = Builder::from_rustdoc_json(path)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build()
        .unwrap_or_else(|error| panic!("{path}: {error}"));
    let items: Vec<_> = api
        .items()
        .map(|item| any_lifetime(&item.to_string()))
        .collect();
    items.iter().map(|item| spell(item, &items)).collect()
}

/// Replaces the names of lifetimes, which an impl may choose or leave out.
fn any_lifetime(item: &str) -> String {
    let mut parts = item.split('\'');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| c != '_' && !c.is_alphanumeric())
            .unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        text += if name == "static" { "'static" } else { "'_" };
        text += rest;
    }
    text.replace("impl<'_> ", "impl ")
}

/// Names the type in place of `Self`, and in place of an associated type what it is.
fn spell(item: &str, items: &[String]) -> String {
    let Some((of, _)) = item
        .strip_prefix("pub fn ")
        .and_then(|function| function.split_once('('))
        .and_then(|(path, _)| path.rsplit_once("::"))
    else {
        return item.to_owned();
    };
    let mut text = item.to_owned();
    let associated = format!("pub type {of}::");
    for known in items {
        let is = known
            .strip_prefix(&associated)
            .and_then(|known| known.split_once(" = "));
        if let Some((name, is)) = is {
            text = text.replace(&format!("Self::{name}"), is);
        }
    }
    if text.contains("Self::") {
        text
    } else {
        text.replace("-> Self", &format!("-> {of}"))
    }
}
