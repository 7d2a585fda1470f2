use std::{fmt, slice};

use super::Event;

/// The buffer that [`Poll::poll`](crate::Poll::poll) fills with [`Event`]s.
///
/// It is made once and used for every call; `poll` empties it before it waits.
/// The memory is allocated by [`Events::with_capacity`] and never grows.
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
    /// Makes a buffer that takes up to `capacity` events from one poll.
    ///
    /// More than that may be ready; the rest is reported by the following calls. A
    /// capacity of zero can be made, but [`Poll::poll`](crate::Poll::poll)
    /// refuses it. One of more than 2 GiB is cut to that, the most that system calls take.
    ///
    /// # Panics
    ///
    /// If the buffer would be larger than `isize::MAX` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Events {
        Events {
            buffer: Event::buffer(capacity),
        }
    }

    /// The number of events that one poll can deliver.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Whether the last poll delivered nothing: it timed out, or failed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Goes through the events of the last poll, in the order in which the system
    /// gave them.
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            events: self.buffer.iter(),
        }
    }

    /// Drops all events. [`Poll::poll`](crate::Poll::poll) does so by itself.
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

/// Iterates over [`Events`]; made by [`Events::iter`].
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
