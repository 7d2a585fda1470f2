/// A number that ties an [`Event`] to the source that caused it.
///
/// The caller chooses the token when it [registers] a source; every event of
/// that source carries it. The value means nothing to the library: it may be
/// an index into a slab, a file descriptor, or a constant. Nothing demands that
/// it be unique, so one token can stand for several sources.
///
/// Every value of a `usize` is usable; none is reserved.
///
/// # Examples
///
/// ```
/// use mio::Token;
///
/// const LISTENER: Token = Token(0);
/// assert_ne!(LISTENER, Token(1));
/// assert_eq!(usize::from(Token(7)), 7);
/// ```
///
/// [`Event`]: crate::event::Event
/// [registers]: crate::Registry::register
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub usize);

impl From<Token> for usize {
    fn from(token: Token) -> usize {
        token.0
    }
}
