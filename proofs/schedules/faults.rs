//! Faults to plant in a copy of the library's files: a proof that cannot fail proves nothing. Each
//! replaces a text that occurs exactly once in its file.

pub struct Fault {
    pub name: &'static str,
    pub file: &'static str,
    pub right: &'static str,
    pub wrong: &'static str,
}

pub const FAULTS: &[Fault] = &[
    // A plain load may be satisfied before the caller's own earlier stores are visible.
    Fault {
        name: "load-first",
        file: "wake_flag.rs",
        right: "let before = self.state.fetch_or(PENDING, Ordering::AcqRel);",
        wrong: "if self.state.load(Ordering::Acquire) & PENDING != 0 { return false; }\n\
                let before = self.state.fetch_or(PENDING, Ordering::AcqRel);",
    },
    // A poll that goes to sleep does not look whether a wake came while it was awake.
    Fault {
        name: "sleep-unlooked",
        file: "wake_flag.rs",
        right: "before & PENDING == 0 || is_sent(before)",
        wrong: "before & PENDING == 0 || is_sent(before) || before == PENDING",
    },
    // A wake is not sent though the poll has gone to sleep.
    Fault {
        name: "sleep-unsaid",
        file: "wake_flag.rs",
        right: "let before = self.state.fetch_or(ASLEEP, Ordering::AcqRel);",
        wrong: "let before = self.state.fetch_or(0, Ordering::AcqRel);",
    },
    // The poll takes every pending wake for one that the system has, also its own.
    Fault {
        name: "sent-unproven",
        file: "wake_flag.rs",
        right: "_ if slept || is_sent(state) => Woken::BySystem,",
        wrong: "_ => Woken::BySystem,",
    },
    // What the system will report is decided after it may have changed.
    Fault {
        name: "awake-first",
        file: "wake_flag.rs",
        right: "let (Ok(before) | Err(before)) =",
        wrong: "self.state.fetch_and(!ASLEEP, Ordering::AcqRel);\n\
                let (Ok(before) | Err(before)) =",
    },
    // The woken thread does not see what the waking thread wrote.
    Fault {
        name: "relaxed",
        file: "wake_flag.rs",
        right: ".fetch_update(Ordering::AcqRel, Ordering::Acquire, next);",
        wrong: ".fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);",
    },
    // A wake that came before the descriptor was handed out is not sent.
    Fault {
        name: "watch-silent",
        file: "wake_flag.rs",
        right: "if before & PENDING != 0 && !is_sent(before) {",
        wrong: "if false && !is_sent(before) {",
    },
    // Draining swallows the notification of another wake.
    Fault {
        name: "drain-last",
        file: "sys/unix/waker.rs",
        right: "match self.wake_fd.notify() {",
        wrong: "self.wake_fd.notify()?; self.wake_fd.drain()?;\n\
                match Ok::<(), std::io::Error>(()) {",
    },
    // A wake does not interrupt the running call.
    Fault {
        name: "wake-without-interrupt",
        file: "sys/poll.rs",
        right: "record.pending = true;\n        }\n        table.interrupt(registrations)",
        wrong: "record.pending = true;\n        }\n        Ok(())",
    },
    // It interrupts the call before the wake is recorded.
    Fault {
        name: "interrupt-before-record",
        file: "sys/poll.rs",
        right: "record.pending = true;\n        }\n        table.interrupt(registrations)",
        wrong: "drop(registrations);\n\
                table.interrupt(lock(&table.registrations))?;\n\
                let mut registrations = lock(&table.registrations);\n\
                registrations.wakers.get_mut(&waker).unwrap().pending = true;\n\
                return Ok(());\n\
                }\n\
                Ok(())",
    },
    // That an earlier call was interrupted is taken for an interruption of the running one.
    Fault {
        name: "interrupted-for-ever",
        file: "sys/poll.rs",
        right: "self.watcher.interrupted.load(Ordering::Acquire) == call",
        wrong: "self.watcher.interrupted.load(Ordering::Acquire) != 0",
    },
    // The interrupted call has returned, and the next one is taken for it.
    Fault {
        name: "interrupted-for-the-next",
        file: "sys/poll.rs",
        right: "self.watcher.interrupted.store(call, Ordering::Release);",
        wrong: "let call = lock(&self.registrations).state.call as usize;\n\
                self.watcher.interrupted.store(call, Ordering::Release);",
    },
    // Draining the selector's wake descriptor discards the wake of the user.
    Fault {
        name: "drain-without-record",
        file: "sys/poll.rs",
        right: "true => self.watcher.wake_fd.drain(),",
        wrong: "true => {\n\
                for waker in lock(&self.registrations).wakers.values_mut() {\n\
                waker.pending = false;\n\
                }\n\
                self.watcher.wake_fd.drain()\n\
                }",
    },
    // A new source does not interrupt the running call.
    Fault {
        name: "add-without-interrupt",
        file: "sys/unix/table.rs",
        right: "W::update(self, registrations, fd).map_err(|error| {",
        wrong: "Ok(drop(registrations)).map_err(|error: io::Error| {",
    },
    // Nor does a direction that is armed again.
    Fault {
        name: "rearm-without-interrupt",
        file: "sys/unix/table.rs",
        right: "let _ = W::update(&self.table, registrations, self.fd);",
        wrong: "",
    },
    // A report of data also disarms the end behind it.
    Fault {
        name: "disarm-by-direction",
        file: "sys/edge.rs",
        right: "self.armed &= !(news | met);",
        wrong: "let end = Conditions::END.when(news.contains(Conditions::DATA));\n\
                self.armed &= !(news | met | end);",
    },
    // Any failure arms a hang-up again, which no operation ends.
    Fault {
        name: "hang-up-unmuted-by-error",
        file: "sys/edge.rs",
        right: "self.arm(Conditions::ERROR | Conditions::data_of(directions));",
        wrong: "self.arm(Conditions::HANG_UP | Conditions::ERROR);\n\
                self.arm(Conditions::data_of(directions));",
    },
    // An error that was not reported arms data again.
    Fault {
        name: "data-armed-by-any-failure",
        file: "sys/edge.rs",
        right: "if system.failure_takes_error && was_reported {",
        wrong: "if system.failure_takes_error && (was_reported || true) {",
    },
    // A condition in doubt is reported again.
    Fault {
        name: "doubt-is-told",
        file: "sys/edge.rs",
        right: "news &= !self.doubted;",
        wrong: "",
    },
    // After a short read, an end that was reported is reported again, as data.
    Fault {
        name: "met-is-told",
        file: "sys/edge.rs",
        right: "news &= !met;",
        wrong: "",
    },
    // A thread that computes keeps all others from taking packets.
    Fault {
        name: "one-thread-only",
        file: "sys/windows/port.rs",
        right: "const CONCURRENCY: u32 = u32::MAX;",
        wrong: "const CONCURRENCY: u32 = 1;",
    },
    // As many as there are processors keep all others from it.
    Fault {
        name: "a-thread-a-processor",
        file: "sys/windows/port.rs",
        right: "const CONCURRENCY: u32 = u32::MAX;",
        wrong: "const CONCURRENCY: u32 = 0;",
    },
    // What changes while a thread waits has to wait for the next call.
    Fault {
        name: "change-put-off",
        file: "sys/windows/socket.rs",
        right: "if shared.waiting {",
        wrong: "if false {",
    },
    // A thread begins to wait between the question whether one does and the entry in the list.
    Fault {
        name: "change-listed-late",
        file: "sys/windows/socket.rs",
        right: "Socket::enqueue(this, state, &mut shared);\n        Ok(())",
        wrong: "let _ = &mut shared;\n\
                drop(shared);\n\
                Socket::enqueue(this, state, &mut lock(&this.share.sockets.0));\n        Ok(())",
    },
    // What is in the list, because its request was refused, is not asked for at once.
    Fault {
        name: "change-left-in-list",
        file: "sys/windows/socket.rs",
        right: "if shared.waiting {",
        wrong: "if shared.waiting && !state.queued {",
    },
    // The same as `change-listed-late`, from the other side.
    Fault {
        name: "waiting-said-late",
        file: "sys/windows/socket.rs",
        right: "shared.waiting = true;\n            let spare = mem::take(&mut shared.spare);\n            \
                mem::replace(&mut shared.changes, spare)\n        };",
        wrong: "let spare = mem::take(&mut shared.spare);\n            \
                mem::replace(&mut shared.changes, spare)\n        };\n\
                lock(&self.0).waiting = true;",
    },
    // The directions that an answer has not used up are not watched any more.
    Fault {
        name: "answer-without-successor",
        file: "sys/windows/socket.rs",
        right: "if state.wanted().is_some() {",
        wrong: "if false {",
    },
    // Nor is a direction beside those that the running request asks for.
    Fault {
        name: "request-not-replaced",
        file: "sys/windows/socket.rs",
        right: "(RequestState::Pending(events), Some(wanted)) if wanted & !events == 0 => Ok(()),",
        wrong: "(RequestState::Pending(_), Some(_)) => Ok(()),",
    },
    // The call that is to look only comes back with nothing but the packet of the replaced.
    Fault {
        name: "successor-not-awaited",
        file: "sys/windows/iocp.rs",
        right: "was_full || self.sockets.have_changes();",
        wrong: "was_full;",
    },
    // A wake behind packets that tell nothing has to wait for the next call.
    Fault {
        name: "room-lost-to-nothing",
        file: "sys/windows/iocp.rs",
        right: "let was_full = events.len() == events.capacity();",
        wrong: "let was_full = false;",
    },
    // The memory of a cancelled request is used before its packet was taken.
    Fault {
        name: "cancelled-is-over",
        file: "sys/windows/socket.rs",
        right: "state.request = RequestState::Cancelled;",
        wrong: "state.request = RequestState::Idle;",
    },
    // A request that was refused is never made again.
    Fault {
        name: "refusal-forgotten",
        file: "sys/windows/socket.rs",
        right: "Socket::enqueue(this, &mut state, &mut lock(&this.share.sockets.0));\n            error",
        wrong: "error",
    },
    // One source for which there can be no request fails every poll.
    Fault {
        name: "refusal-for-all",
        file: "sys/windows/socket.rs",
        right: "_ => queue.port().post(context.cast()).map(|()| false),",
        wrong: "_ => Err(error),",
    },
    // A registration that was refused replaces the former one.
    Fault {
        name: "refused-yet-changed",
        file: "sys/windows/socket.rs",
        right: "state.edge = before;\n            return Err(error);",
        wrong: "let _ = before;\n            state.token = token;\n            return Err(error);",
    },
    // What is closed is registered again.
    Fault {
        name: "closed-yet-registered",
        file: "sys/windows/socket.rs",
        right: "(!state.closed).then_some(()).ok_or_else(not_registered)",
        wrong: "Ok(())",
    },
    // Each operation makes a request of its own.
    Fault {
        name: "request-at-once",
        file: "sys/windows/socket.rs",
        right: "if shared.waiting {",
        wrong: "if true {",
    },
    // A condition in doubt is taken to be the one that was reported, though it had passed.
    Fault {
        name: "pending-is-no-proof",
        file: "sys/windows/socket.rs",
        right: "if is_pending && !pauses {",
        wrong: "if false {",
    },
    // The request of a pause is taken for one that asks what is true.
    Fault {
        name: "pause-is-proof",
        file: "sys/windows/socket.rs",
        right: "if is_pending && !pauses {",
        wrong: "if is_pending {",
    },
    // What is wanted is not requested after a pause.
    Fault {
        name: "pause-without-successor",
        file: "sys/windows/socket.rs",
        right: "state.request = RequestState::Pending(events);",
        wrong: "state.request = RequestState::Pending(events);\n                \
                state.closed |= pauses;",
    },
    // One that is still there is taken for another.
    Fault {
        name: "reset-without-doubt",
        file: "sys/windows/flags.rs",
        right: "doubtable: Conditions::HANG_UP.union(Conditions::ERROR),",
        wrong: "doubtable: Conditions::ERROR,",
    },
    // So is the failure to connect.
    Fault {
        name: "failure-without-doubt",
        file: "sys/windows/flags.rs",
        right: "doubtable: Conditions::HANG_UP.union(Conditions::ERROR),",
        wrong: "doubtable: Conditions::HANG_UP,",
    },
    // Another attempt that has failed already is taken for the first.
    Fault {
        name: "second-failure-in-doubt",
        file: "sys/edge.rs",
        right: "if directions.is_writable() && !system.failure_takes_error {",
        wrong: "if false {",
    },
    // A packet that was in the port tells of a source that is gone.
    Fault {
        name: "gone-is-told",
        file: "sys/windows/socket.rs",
        right: "if state.closed {\n            return Completed::Done(None);\n        }",
        wrong: "",
    },
    // The request of a source that is gone runs on.
    Fault {
        name: "gone-runs-on",
        file: "sys/windows/socket.rs",
        right: "(RequestState::Pending(_), None) if !state.closed => Ok(()),",
        wrong: "(RequestState::Pending(_), None) => Ok(()),",
    },
    // A record outlives its packet.
    Fault {
        name: "reference-kept",
        file: "sys/windows/socket.rs",
        right: "Socket::completed(&socket)",
        wrong: "mem::forget(Arc::clone(&socket));\n\
                Socket::completed(&socket)",
    },
    // Whoever lets go of the port last leaves packets in it.
    Fault {
        name: "packets-left",
        file: "sys/windows/queue.rs",
        right: "while self.outstanding.load(Ordering::Relaxed) > 0 {",
        wrong: "while false {",
    },
    // As `load-first`, for the target of a wake that has no flag above it.
    Fault {
        name: "posted-load-first",
        file: "sys/windows/iocp.rs",
        right: "if self.target.posted.swap(true, Ordering::AcqRel) {",
        wrong: "if self.target.posted.load(Ordering::Acquire)\n\
                || self.target.posted.swap(true, Ordering::AcqRel) {",
    },
    // As `relaxed`.
    Fault {
        name: "posted-relaxed",
        file: "sys/windows/iocp.rs",
        right: "target.posted.swap(false, Ordering::AcqRel);",
        wrong: "target.posted.store(false, Ordering::Relaxed);",
    },
    // The flag is cleared when the packet is posted, not when it is taken: packets pile up.
    Fault {
        name: "posted-never",
        file: "sys/windows/iocp.rs",
        right: "self.queue\n            .submit(",
        wrong: "self.target.posted.store(false, Ordering::Release);\n\
                self.queue\n            .submit(",
    },
    // The packet of a waker that is gone is heard.
    Fault {
        name: "dropped-is-reported",
        file: "sys/windows/iocp.rs",
        right: "!target.dropped.load(Ordering::Relaxed);",
        wrong: "true;",
    },
];
