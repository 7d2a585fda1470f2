//! Turns the listing of the published API into a test program that compiles only if each item is
//! there with its signature. The tests include it.

use std::path::Path;
use std::{env, fs, io};

/// The types that stand for the type parameters of the listing.
const PARAMETERS: [(&str, &str); 5] = [
    ("A", "std::string::String"),
    ("F", "fn() -> std::io::Result<u8>"),
    ("P", "std::string::String"),
    ("S", "Dyn"),
    ("T", "u8"),
];

fn main() -> io::Result<()> {
    let os = env::var("CARGO_CFG_TARGET_OS").unwrap();
    let listing = format!("api/{os}.txt");
    println!("cargo::rerun-if-changed={listing}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(listed)");
    let mut test =
        String::from("type Dyn = dyn mio::event::Source;\n\nfn the_published_api_is_there() {\n");
    if Path::new(&listing).exists() {
        println!("cargo::rustc-cfg=listed");
        let mut implementation = None;
        for line in fs::read_to_string(&listing)?.lines() {
            if let Some(line) = line.strip_prefix("impl") {
                implementation = Some(Implementation::parse(line));
            }
            if !line.starts_with('#') {
                test += &check(line, implementation.as_ref());
                test.push('\n');
            }
        }
    }
    test += "}\n";
    fs::write(
        Path::new(&env::var("OUT_DIR").unwrap()).join("api.rs"),
        test,
    )
}

/// Returns a statement that compiles only if the item of `line` is there.
fn check(line: &str, implementation: Option<&Implementation>) -> String {
    let line = line.replace("'a", "'static");
    let (kind, item) = line
        .strip_prefix("pub ")
        .map_or(("impl", ""), |item| item.split_once(' ').unwrap());
    match kind {
        "impl" => implementation.unwrap().check(),
        "mod" | "trait" => format!("    {{ use {item} as _; }}"),
        "struct" => check_struct(item),
        "fn" => check_function(item),
        "type" => implementation.unwrap().check_associated(item),
        "const" => match item.strip_prefix("fn ") {
            Some(function) => check_const_function(function),
            None => check_constant(item),
        },
        _ => panic!("a line of an unknown kind: {line}"),
    }
}

fn check_struct(item: &str) -> String {
    match item.split_once("(pub ") {
        // With a public field, the type is a function too.
        Some((path, field)) => {
            let (field, path) = (field.trim_end_matches(')'), without_generics(path));
            format!("    let _: fn({field}) -> _ = {path};")
        }
        None => format!(
            "    {{ use {} as _; }}",
            without_generics(item.trim_end_matches("(_)"))
        ),
    }
}

fn check_constant(item: &str) -> String {
    let (path, ty) = item.split_once(": ").unwrap();
    format!("    const _: {ty} = {path};")
}

fn check_function(item: &str) -> String {
    let item = item.split(" where ").next().unwrap();
    let (path, signature) = item.split_once('(').unwrap();
    let path = without_generics(path);
    let ty = path.rsplit_once("::").unwrap().0;
    let ty = match ty {
        "mio::event::Source" => "Dyn",
        ty => ty,
    };
    let signature = with_types(signature).replace("self", ty);
    format!("    let _: fn({signature} = {path};")
}

/// All functions of this kind are methods of `Interest`.
fn check_const_function(item: &str) -> String {
    let (path, signature) = item.split_once('(').unwrap();
    let (parameters, result) = signature.split_once(") -> ").unwrap();
    let arguments = vec!["mio::Interest::READABLE"; parameters.split(", ").count()].join(", ");
    format!("    const _: {result} = {path}({arguments});")
}

/// The trait and the type of an `impl` line.
struct Implementation {
    implemented: String,
    ty: String,
}

impl Implementation {
    /// Parses the rest of a line that began with `impl`.
    fn parse(line: &str) -> Implementation {
        let line = line
            .split(" where ")
            .next()
            .unwrap()
            .replace("'a", "'static");
        let line = match line.strip_prefix('<') {
            Some(line) => line.split_once('>').unwrap().1,
            None => &line,
        };
        let (implemented, ty) = line.trim().split_once(" for ").unwrap();
        Implementation {
            implemented: implemented.to_owned(),
            // The only type parameter is that of a box of a source.
            ty: ty.replace("<T>", "<Dyn>").replace("&mio", "&'static mio"),
        }
    }

    fn check(&self) -> String {
        format!("    implements!({}: {});", self.ty, self.implemented)
    }

    fn check_associated(&self, item: &str) -> String {
        let (path, ty) = item.split_once(" = ").unwrap();
        let name = path.rsplit_once("::").unwrap().1;
        let Implementation {
            implemented,
            ty: of,
        } = self;
        format!("    let _: fn(<{of} as {implemented}>::{name}) -> {ty} = |x| x;")
    }
}

/// Removes the parameters at the end of a path.
fn without_generics(path: &str) -> &str {
    path.split('<').next().unwrap()
}

/// Replaces the type parameters.
fn with_types(signature: &str) -> String {
    let mut result = String::new();
    for word in signature.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let (name, rest) =
            word.split_at(word.trim_end_matches(|c: char| !c.is_alphanumeric()).len());
        let parameter = PARAMETERS.iter().find(|(parameter, _)| *parameter == name);
        result += parameter.map_or(name, |(_, ty)| ty);
        result += rest;
    }
    result
}
