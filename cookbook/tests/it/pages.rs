use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the files in a directory, without `extension`.
fn names(directory: &str, extension: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join(directory))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| Some(name.strip_suffix(extension)?.to_owned()))
        .collect();
    names.sort();
    names
}

/// Text without its indentation.
fn flush_left(text: &str) -> String {
    text.lines().flat_map(|line| [line.trim(), "\n"]).collect()
}

/// The blocks of Rust code on a page.
fn excerpts(page: &str) -> Vec<&str> {
    let blocks = page.split("```rust\n").skip(1);
    blocks
        .map(|block| block.split_once("```").expect("a block without an end").0)
        .collect()
}

#[test]
fn every_program_has_a_page_that_the_index_lists() {
    let mut pages = names("docs/cookbook", ".md");
    pages.retain(|name| name != "README");
    assert_eq!(pages, names("cookbook/src/bin", ".rs"));
    let index = read("docs/cookbook/README.md");
    for name in pages {
        assert!(index.contains(&format!("]({name}.md)")), "{name}");
    }
}

#[test]
fn the_code_on_a_page_is_that_of_its_program() {
    for name in names("cookbook/src/bin", ".rs") {
        let page = read(&format!("docs/cookbook/{name}.md"));
        let link = format!("](../../cookbook/src/bin/{name}.rs)");
        assert!(page.contains(&link), "{name} does not link to its program");
        let program = flush_left(&read(&format!("cookbook/src/bin/{name}.rs")));
        let excerpts = excerpts(&page);
        assert!(!excerpts.is_empty(), "{name} shows no code");
        for excerpt in excerpts {
            // A line of `…` stands for code that is left out.
            for part in flush_left(excerpt).split("…\n") {
                assert!(program.contains(part), "{name} has no such code:\n{part}");
            }
        }
    }
}

#[test]
fn links_lead_to_files() {
    for page in names("docs/cookbook", ".md") {
        let text = read(&format!("docs/cookbook/{page}.md"));
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = root().join("docs/cookbook").join(target);
            assert!(path.exists(), "{page}: {target}");
        }
    }
}
