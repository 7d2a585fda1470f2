/// Associates an [`Event`] with the source that caused it.
///
/// The caller chooses a token when it [registers] a source, and every event of that source carries
/// it. The library does not interpret the value: it can be an index into a slab, a file descriptor
/// or a constant. It need not be unique, so several sources can share a token.
///
/// All values of `usize` are valid; none is reserved.
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
