//! What stands between the store and the real server: a TCP proxy that makes trouble on demand.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// What goes wrong on the way.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    /// Of every connection, so many bytes reach the server and no more; the connection stays.
    StandStillAfter(u64),
    /// So many bytes a second reach the server.
    Throttled(u64),
    /// Answers wait until [`Proxy::let_answers_through`].
    AnswersHeld,
    /// This byte of the first connection's stream reaches the server changed.
    ByteChanged(u64),
    /// The first requests are answered so, by a server that is not itself; those after go through.
    Answered { times: usize, status: &'static str, body: &'static str },
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

struct State {
    trouble: Trouble,
    server: u16,
    /// Bytes that have reached the server.
    passed: AtomicU64,
    connections: AtomicUsize,
    answers: Semaphore,
    /// Requests that [`Trouble::Answered`] has answered.
    answered: AtomicUsize,
}

impl Proxy {
    pub(crate) async fn before(server: u16, trouble: Trouble) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            trouble,
            server,
            passed: AtomicU64::new(0),
            connections: AtomicUsize::new(0),
            answers: Semaphore::new(0),
            answered: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).serve(client));
            }
        });
        Self { port, state }
    }

    pub(crate) fn let_answers_through(&self) {
        self.state.answers.add_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn passed_bytes(&self) -> u64 {
        self.state.passed.load(Ordering::SeqCst)
    }

    pub(crate) fn answered(&self) -> usize {
        self.state.answered.load(Ordering::SeqCst)
    }
}

impl State {
    async fn serve(self: Arc<Self>, client: TcpStream) {
        if let Trouble::Answered { times, status, body } = self.trouble
            && self.answered.load(Ordering::SeqCst) < times
        {
            return self.answer(client, status, body).await;
        }
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.server)).await else {
            return;
        };
        let number = self.connections.fetch_add(1, Ordering::SeqCst);
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // Either end that closes ends the connection: so the store sees that its server has died.
        tokio::select! {
            () = self.upwards(number, from_client, to_server) => {}
            () = self.downwards(from_server, to_client) => {}
        }
    }

    async fn upwards(&self, number: usize, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut buffer = vec![0; 16 << 10];
        let mut passed = 0;
        loop {
            let limit = match self.trouble {
                Trouble::StandStillAfter(bytes) if passed >= bytes => {
                    // Nothing more is read: the client's buffers fill, and its bytes stand still.
                    return std::future::pending().await;
                }
                Trouble::StandStillAfter(bytes) => usize::try_from(bytes - passed).unwrap(),
                Trouble::Throttled(bytes) => usize::try_from(bytes / 10).unwrap().max(1),
                _ => buffer.len(),
            };
            let read_bytes = limit.min(buffer.len());
            let Ok(read @ 1..) = from.read(&mut buffer[..read_bytes]).await else { return };
            if let (0, Trouble::ByteChanged(at)) = (number, &self.trouble)
                && let Some(at) = at.checked_sub(passed)
                && let Some(byte) = buffer[..read].get_mut(usize::try_from(at).unwrap())
            {
                *byte ^= 1;
            }
            if to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
            passed += read as u64;
            self.passed.fetch_add(read as u64, Ordering::SeqCst);
            if let Trouble::Throttled(_) = self.trouble {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    async fn downwards(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let Ok(read @ 1..) = from.read(&mut buffer).await else { return };
            if let Trouble::AnswersHeld = self.trouble {
                let _permit = self.answers.acquire().await.unwrap();
            }
            if to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    }

    /// Reads one request to its end and answers it.
    async fn answer(&self, mut client: TcpStream, status: &str, body: &str) {
        let mut request = Vec::new();
        let mut buffer = vec![0; 16 << 10];
        while !is_whole(&request) {
            let Ok(read @ 1..) = client.read(&mut buffer).await else { return };
            request.extend_from_slice(&buffer[..read]);
        }
        self.answered.fetch_add(1, Ordering::SeqCst);
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/xml\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
        );
        client.write_all(answer.as_bytes()).await.ok();
        client.shutdown().await.ok();
    }
}

/// Whether `request` has its head and all of the body that the head promises.
fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
    request.len() >= end + 4 + length
}
