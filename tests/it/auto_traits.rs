//! Auto traits, which are not declared, and which a field deep inside can remove: a
//! raw pointer in an event once made it `!Send` on one system only. All of it is
//! checked by compiling, whichever features and backend are chosen.

use std::fmt::Debug;
use std::hash::Hash;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// Compiles for types that may be used from any thread and across panics.
fn auto<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + Debug + ?Sized>() {}

/// Compiles for plain values.
fn value<T: Copy + Clone + Eq + Ord + 'static>() {}

fn clone<T: Clone>() {}

fn hash<T: Hash>() {}

/// Edge case 30.
#[test]
fn the_types_of_the_core_are_free_to_move_and_share() {
    auto::<mio::Events>();
    auto::<mio::Interest>();
    auto::<mio::Poll>();
    auto::<mio::Registry>();
    auto::<mio::Token>();
    auto::<mio::Waker>();
    auto::<mio::event::Event>();
    auto::<mio::event::Iter<'_>>();
    auto::<mio::event::Iter<'static>>();
}

/// Edge case 30.
#[test]
#[cfg(feature = "net")]
fn sockets_are_free_to_move_and_share() {
    auto::<mio::net::TcpListener>();
    auto::<mio::net::TcpStream>();
    auto::<mio::net::UdpSocket>();
    #[cfg(unix)]
    {
        auto::<mio::net::UnixDatagram>();
        auto::<mio::net::UnixListener>();
        auto::<mio::net::UnixStream>();
        auto::<mio::net::SocketAddr>();
    }
}

/// Edge case 30.
#[test]
#[cfg(all(unix, feature = "os-ext"))]
fn pipes_and_bare_descriptors_are_free_to_move_and_share() {
    auto::<mio::unix::SourceFd<'_>>();
    auto::<mio::unix::SourceFd<'static>>();
    auto::<mio::unix::pipe::Receiver>();
    auto::<mio::unix::pipe::Sender>();
}

/// As free as the object inside it.
#[test]
#[cfg(feature = "os-ext")]
fn any_object_as_a_source_is_free_to_move_and_share() {
    auto::<mio::IoSource<std::net::TcpStream>>();
    auto::<mio::IoSource<&std::net::TcpStream>>();
}

/// Edge case 30.
#[test]
#[cfg(all(windows, feature = "os-ext"))]
fn named_pipes_are_free_to_move_and_share() {
    auto::<mio::windows::NamedPipe>();
}

#[test]
fn plain_values_behave_as_such() {
    assert_eq!(usize::from(mio::Token(7)), 7);
    value::<mio::Interest>();
    value::<mio::Token>();
    hash::<mio::Token>();
    clone::<mio::event::Event>();
    clone::<mio::event::Iter<'_>>();
}

/// A source may be boxed with whatever else a program demands of it.
#[test]
fn sources_can_be_trait_objects() {
    fn source<T: mio::event::Source + ?Sized>() {}

    source::<dyn mio::event::Source>();
    source::<dyn mio::event::Source + Send + Sync>();
    source::<Box<dyn mio::event::Source>>();
    source::<Box<dyn mio::event::Source + Send + Sync>>();
}
