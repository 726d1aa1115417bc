//! Bodies in transit: counted, bounded in time, never gathered.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{balance::Lease, limit::Hold};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a body ends before its end.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("body is larger than allowed")]
    TooLarge,
    #[error("no end of the answer in time")]
    Late,
}

/// How a request's body fared, seen from outside while it streams.
#[derive(Clone, Default)]
pub(super) struct Fate(Arc<AtomicU8>);

impl Fate {
    const TOO_LARGE: u8 = 1;
    const BROKEN: u8 = 2;
    const BEGUN: u8 = 3;

    /// No part of it was asked for: the instance cannot have seen a whole request.
    pub(super) fn is_untouched(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// It grew beyond its bound.
    pub(super) fn is_too_large(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::TOO_LARGE
    }

    /// The client broke off.
    pub(super) fn is_broken(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::BROKEN
    }
}

/// A client's body on its way to an instance.
pub(super) struct RequestBody {
    // The lock is never waited for. It makes the body `Sync`, as the client wants it, and leaves an untouched body to a second
    // try.
    inner: Arc<Mutex<Body>>,
    left_bytes: u64,
    fate: Fate,
}

impl RequestBody {
    /// Passes on at most `bytes_max`.
    pub(super) fn new(inner: Arc<Mutex<Body>>, bytes_max: u64, fate: Fate) -> Self {
        Self { inner, left_bytes: bytes_max, fate }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        this.fate.0.store(Fate::BEGUN, Ordering::Relaxed);
        let mut inner = this.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let frame = ready!(Pin::new(&mut *inner).poll_frame(context));
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                if bytes > this.left_bytes {
                    this.fate.0.store(Fate::TOO_LARGE, Ordering::Relaxed);
                    Some(Err(Cut::TooLarge.into()))
                } else {
                    this.left_bytes -= bytes;
                    Some(Ok(frame))
                }
            }
            Some(Err(error)) => {
                this.fate.0.store(Fate::BROKEN, Ordering::Relaxed);
                Some(Err(error.into()))
            }
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).size_hint()
    }
}

/// An instance's body on its way to the client; it holds the instance's lease and ends by the deadline.
pub(super) struct ResponseBody {
    inner: Incoming,
    late: Pin<Box<Sleep>>,
    _lease: Lease,
}

impl ResponseBody {
    /// Passes on what comes before the deadline.
    pub(super) fn new(inner: Incoming, deadline: Instant, lease: Lease) -> Self {
        Self { inner, late: Box::pin(sleep_until(deadline)), _lease: lease }
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(frame) => Poll::Ready(frame.map(|f| f.map_err(Into::into))),
            Poll::Pending => {
                ready!(self.late.as_mut().poll(context));
                Poll::Ready(Some(Err(Cut::Late.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An answer's body that counts as its client's request until it ends.
pub(super) struct HeldBody {
    inner: Body,
    _hold: Hold,
}

impl HeldBody {
    /// The body, holding.
    pub(super) fn new(inner: Body, hold: Hold) -> Self {
        Self { inner, _hold: hold }
    }
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
