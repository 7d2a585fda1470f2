//! Builds the drivers of the C libraries that are installed. The report names the missing ones.

fn main() {
    println!("cargo:rerun-if-changed=drivers");
    // libevent's locks are in a separate library.
    driver("libuv", &["libuv"]);
    driver("libevent", &["libevent", "libevent_pthreads"]);
}

fn driver(name: &str, packages: &[&str]) {
    println!("cargo:rustc-check-cfg=cfg(has_{name})");
    let mut compiler = cc::Build::new();
    compiler.file(format!("drivers/{name}.c"));
    let mut found = Vec::new();
    for package in packages {
        match pkg_config::Config::new()
            .cargo_metadata(false)
            .probe(package)
        {
            Ok(library) => found.push(library),
            Err(_) => return println!("cargo:warning=no {package}: built without {name}"),
        }
    }
    for path in found.iter().flat_map(|library| &library.include_paths) {
        compiler.include(path);
    }
    compiler.compile(&format!("{name}_driver"));
    for library in &found {
        for path in &library.link_paths {
            println!("cargo:rustc-link-search=native={}", path.display());
        }
        for lib in &library.libs {
            println!("cargo:rustc-link-lib={lib}");
        }
    }
    println!("cargo:rustc-cfg=has_{name}");
}
