use std::{fmt, slice};

use super::Event;

/// A buffer of [`Event`]s, filled by [`Poll::poll`](crate::Poll::poll).
///
/// Create it once and reuse it: each call to `poll` clears it before waiting.
/// [`Events::with_capacity`] allocates the memory; the buffer never grows.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use mio::{Events, Poll};
///
/// # fn main() -> std::io::Result<()> {
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(1024);
/// poll.poll(&mut events, Some(Duration::from_millis(1)))?;
/// for event in &events {
///     println!("{:?} is ready", event.token());
/// }
/// # Ok(())
/// # }
/// ```
pub struct Events {
    buffer: Vec<Event>,
}

impl Events {
    /// Creates a buffer for up to `capacity` events.
    ///
    /// If more events are available, subsequent polls return them. A buffer with a capacity of zero
    /// can be created, but [`Poll::poll`](crate::Poll::poll) rejects it. A buffer is limited to 2
    /// GiB, the most that the system calls accept; a larger `capacity` is reduced to that.
    ///
    /// # Panics
    ///
    /// Panics if the buffer would be larger than `isize::MAX` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Events {
        Events {
            buffer: Event::buffer(capacity),
        }
    }

    /// Returns the number of events that one poll can deliver.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Returns whether the buffer contains no events, as after a poll that timed out or failed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Returns an iterator over the events of the last poll, in the order in which the system
    /// returned them.
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            events: self.buffer.iter(),
        }
    }

    /// Removes all events. [`Poll::poll`](crate::Poll::poll) does this itself.
    pub fn clear(&mut self) {
        self.buffer.clear();
    }

    #[inline]
    pub(crate) fn buffer_mut(&mut self) -> &mut Vec<Event> {
        &mut self.buffer
    }
}

impl<'a> IntoIterator for &'a Events {
    type Item = &'a Event;
    type IntoIter = Iter<'a>;

    #[inline]
    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// An iterator over [`Events`], returned by [`Events::iter`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    events: slice::Iter<'a, Event>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Event;

    #[inline]
    fn next(&mut self) -> Option<&'a Event> {
        self.events.next()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.events.size_hint()
    }

    #[inline]
    fn count(self) -> usize {
        self.events.count()
    }
}
