//! Each item of the published API, version 0.8.11, is there with its signature: a program written
//! for it compiles. build.rs makes the test of the listing in `api`.
#![cfg(listed)]
#![allow(unused_imports, clippy::type_complexity)]

/// Fails to compile unless the type has the trait.
macro_rules! implements {
    ($type:ty: $trait:path) => {{
        fn bound<T: $trait>() {}
        bound::<$type>();
    }};
}

#[test]
fn all() {
    the_published_api_is_there();
}

include!(concat!(env!("OUT_DIR"), "/api.rs"));
