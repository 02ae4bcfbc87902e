//! A connection that gives up on a client that stops reading its answers, so that nobody can have the node keep them.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

/// Says of one connection that its client may take any time from now on: it has become a WebSocket, whose client may pause.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lasting(Arc<AtomicBool>);

impl Lasting {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A stream whose writes fail when nothing could be written for some time.
pub(crate) struct Patient<S> {
    inner: S,
    patience: Duration,
    lasting: Lasting,
    /// Runs while a write waits.
    until: Pin<Box<Sleep>>,
    waits: bool,
}

impl<S> Patient<S> {
    pub(crate) fn new(inner: S, patience: Duration, lasting: Lasting) -> Self {
        Self { inner, patience, lasting, until: Box::pin(tokio::time::sleep(patience)), waits: false }
    }

    fn watch<T>(&mut self, context: &mut Context<'_>, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.waits = false;
            return wrote;
        }
        if !self.waits {
            self.waits = true;
            self.until.as_mut().reset(Instant::now() + self.patience);
        }
        ready!(self.until.as_mut().poll(context));
        if self.lasting.is_set() {
            // Whoever polls it next waits anew; until then the stream itself wakes its writer.
            self.waits = false;
            return Poll::Pending;
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.watch(context, wrote)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.watch(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(context);
        self.watch(context, shut)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write_vectored(context, pieces);
        self.watch(context, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const SHORT: Duration = Duration::from_millis(5);

    /// A connection with room for some bytes between its ends.
    fn connection(room: usize, patience: Duration, lasting: &Lasting) -> (Patient<DuplexStream>, DuplexStream) {
        let (server, client) = duplex(room);
        (Patient::new(server, patience, lasting.clone()), client)
    }

    #[tokio::test]
    async fn a_client_that_stops_reading_is_given_up() {
        let (mut patient, mut client) = connection(8, SHORT, &Lasting::default());
        patient.write_all(b"12345678").await.unwrap();
        let error = patient.write_all(b"9").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let mut read = [0; 8];
        client.read_exact(&mut read).await.unwrap();
    }

    #[tokio::test]
    async fn every_byte_that_is_read_gives_it_all_its_time_again() {
        let (mut patient, mut client) = connection(1, Duration::from_secs(3600), &Lasting::default());
        patient.write_all(b"1").await.unwrap();
        assert!(futures::poll!(Box::pin(patient.write(b"2"))).is_pending());
        assert!(patient.waits);
        client.read_u8().await.unwrap();
        assert!(futures::poll!(Box::pin(patient.write(b"2"))).is_ready());
        assert!(!patient.waits, "the next wait begins anew");
    }

    #[tokio::test]
    async fn a_websocket_may_pause() {
        let lasting = Lasting::default();
        let (mut patient, mut client) = connection(1, SHORT, &lasting);
        lasting.set();
        let writing = tokio::spawn(async move { patient.write_all(b"ab").await });
        tokio::time::sleep(SHORT * 10).await;
        assert_eq!((client.read_u8().await.unwrap(), client.read_u8().await.unwrap()), (b'a', b'b'));
        writing.await.unwrap().unwrap();
    }
}
