//! The ordered queue of frames to a connection's writer, with a budget of bytes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::PollSemaphore;

/// Bytes of data that may wait for the transport, over all streams of a connection.
const BUDGET: usize = 256 * 1024;
/// Longest piece of data written as one frame.
pub(crate) const MAX_PIECE: usize = 32 * 1024;

/// Makes an empty queue.
pub(crate) fn channel<F>() -> (Outbox<F>, Drain<F>) {
    let (tx, rx) = mpsc::unbounded_channel();
    let budget = Arc::new(Semaphore::new(BUDGET));
    let control = Arc::new(AtomicUsize::new(0));
    (Outbox { tx, budget: budget.clone(), control: control.clone() }, Drain { rx, budget, control })
}

/// The sending end. Frames leave in the order in which they were queued.
///
/// Data waits for budget, so its memory is bounded; control frames do not wait, and who queues them on behalf of a
/// peer must look at `pending_control`.
pub(crate) struct Outbox<F> {
    tx: mpsc::UnboundedSender<Queued<F>>,
    budget: Arc<Semaphore>,
    control: Arc<AtomicUsize>,
}

enum Queued<F> {
    Control(F),
    Data(F, OwnedSemaphorePermit),
    Close,
}

impl<F> Outbox<F> {
    /// Queues a frame at once. False when the connection is gone.
    pub(crate) fn control(&self, frame: F) -> bool {
        self.control.fetch_add(1, Ordering::Relaxed);
        self.tx.send(Queued::Control(frame)).is_ok()
    }

    /// Control frames that wait for the transport.
    pub(crate) fn pending_control(&self) -> usize {
        self.control.load(Ordering::Relaxed)
    }

    /// Ends the queue after what is in it.
    pub(crate) fn close(&self) {
        // A closed receiver means that the writer has ended already.
        let _ = self.tx.send(Queued::Close);
    }

    /// A writer of data for one stream.
    pub(crate) fn writer(&self) -> DataWriter<F> {
        DataWriter { tx: self.tx.clone(), budget: PollSemaphore::new(self.budget.clone()) }
    }
}

/// Queues data of one stream within the budget.
pub(crate) struct DataWriter<F> {
    tx: mpsc::UnboundedSender<Queued<F>>,
    budget: PollSemaphore,
}

impl<F> DataWriter<F> {
    /// Queues the start of `data`, as made a frame by `frame`; returns how much was taken.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        data: &[u8],
        frame: impl FnOnce(&[u8]) -> Option<F>,
    ) -> Poll<io::Result<usize>> {
        let piece = &data[..data.len().min(MAX_PIECE)];
        if piece.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let permit = ready!(self.budget.poll_acquire_many(cx, piece.len() as u32)).ok_or_else(gone)?;
        let frame = frame(piece).ok_or_else(gone)?;
        self.tx.send(Queued::Data(frame, permit)).map_err(|_| gone())?;
        Poll::Ready(Ok(piece.len()))
    }
}

fn gone() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

/// The receiving end, for the connection's writer.
pub(crate) struct Drain<F> {
    rx: mpsc::UnboundedReceiver<Queued<F>>,
    budget: Arc<Semaphore>,
    control: Arc<AtomicUsize>,
}

/// A frame taken from the queue; its budget returns when this is dropped.
pub(crate) struct Taken<F> {
    pub(crate) frame: F,
    _budget: Option<OwnedSemaphorePermit>,
}

impl<F> Drain<F> {
    /// Waits for the next frame; `None` when the queue was closed.
    pub(crate) async fn next(&mut self) -> Option<Taken<F>> {
        let queued = self.rx.recv().await?;
        self.taken(queued)
    }

    /// The next frame if there is one already.
    pub(crate) fn try_next(&mut self) -> TryNext<F> {
        match self.rx.try_recv() {
            Ok(queued) => match self.taken(queued) {
                Some(taken) => TryNext::Frame(taken),
                None => TryNext::Closed,
            },
            Err(mpsc::error::TryRecvError::Empty) => TryNext::Empty,
            Err(mpsc::error::TryRecvError::Disconnected) => TryNext::Closed,
        }
    }

    fn taken(&self, queued: Queued<F>) -> Option<Taken<F>> {
        match queued {
            Queued::Control(frame) => {
                self.control.fetch_sub(1, Ordering::Relaxed);
                Some(Taken { frame, _budget: None })
            }
            Queued::Data(frame, permit) => Some(Taken { frame, _budget: Some(permit) }),
            Queued::Close => None,
        }
    }
}

/// What `Drain::try_next` found.
pub(crate) enum TryNext<F> {
    Frame(Taken<F>),
    Empty,
    Closed,
}

impl<F> Drop for Drain<F> {
    fn drop(&mut self) {
        // Writers that wait for budget must learn that nothing is written any more.
        self.budget.close();
    }
}
