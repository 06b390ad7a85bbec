//! A TCP proxy before a server, to be cut and stalled: what networks do to clients.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// How the proxy treats its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Bytes pass.
    Flow,
    /// Nothing is read from the server: to it, the client stopped reading.
    Stall,
    /// Connections are reset, new ones too.
    Cut,
}

/// Listens on a port of its own until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    target: watch::Sender<SocketAddr>,
    live: Arc<AtomicUsize>,
    accept: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy before `server` (`http://127.0.0.1:1234`).
    ///
    /// # Panics
    /// When no port can be had.
    pub async fn before(server: &str) -> Self {
        let (target, led) = watch::channel(address_of(server));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (mode, watched) = watch::channel(Mode::Flow);
        let live = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&live);
        let accept = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *watched.borrow() == Mode::Cut {
                    continue; // dropped: the client sees its connection end
                }
                let (watched, counter, target) = (watched.clone(), Arc::clone(&counter), *led.borrow());
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let _ = carry(client, target, watched).await;
                    counter.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, mode, target, live, accept }
    }

    /// Where clients connect.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Leads new connections to another server.
    pub fn lead_to(&self, server: &str) {
        self.target.send_replace(address_of(server));
    }

    /// Ends every connection and refuses new ones; returns when all are gone.
    pub async fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
        super::wait::eventually("the proxy's connections end", Duration::from_secs(5), || async {
            (self.live.load(Ordering::SeqCst) == 0).then_some(())
        })
        .await;
    }

    /// Stops reading from the server.
    pub fn stall(&self) {
        self.mode.send_replace(Mode::Stall);
    }

    /// Lets bytes pass again.
    pub fn flow(&self) {
        self.mode.send_replace(Mode::Flow);
    }
}

fn address_of(server: &str) -> SocketAddr {
    server.trim_start_matches("http://").parse().expect("the server has an address")
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.mode.send_replace(Mode::Cut);
        self.accept.abort();
    }
}

async fn carry(client: TcpStream, target: SocketAddr, mode: watch::Receiver<Mode>) -> std::io::Result<()> {
    let upstream = TcpSocket::new_v4()?;
    // Small, so that a stall is felt by the server and not hidden in this side's kernel buffer.
    upstream.set_recv_buffer_size(16 * 1024)?;
    let upstream = upstream.connect(target).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = upstream.into_split();
    let mut cut = mode.clone();
    let mut stalled = mode;
    let up = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            match from_client.read(&mut buffer).await? {
                0 => return to_server.shutdown().await,
                n => to_server.write_all(&buffer[..n]).await?,
            }
        }
    };
    let down = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            // A sender that is gone means the proxy is: `cut` below ends this.
            let _ = stalled.wait_for(|mode| *mode != Mode::Stall).await;
            match from_server.read(&mut buffer).await? {
                0 => return to_client.shutdown().await,
                n => to_client.write_all(&buffer[..n]).await?,
            }
        }
    };
    tokio::select! {
        _ = cut.wait_for(|mode| *mode == Mode::Cut) => Ok(()),
        ended = async { tokio::try_join!(up, down) } => ended.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::support::wait::within;

    const LIMIT: Duration = Duration::from_secs(5);

    /// Sends back what it gets.
    async fn echo() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        base
    }

    async fn open(proxy: &Proxy) -> TcpStream {
        TcpStream::connect(proxy.base().trim_start_matches("http://")).await.unwrap()
    }

    async fn round_trip(stream: &mut TcpStream) -> std::io::Result<()> {
        stream.write_all(b"x").await?;
        stream.read_exact(&mut [0]).await.map(|_| ())
    }

    #[actix_web::test]
    async fn a_cut_ends_what_is_and_refuses_what_comes() {
        let proxy = Proxy::before(&echo().await).await;
        let mut stream = open(&proxy).await;
        within("an echo", LIMIT, round_trip(&mut stream)).await.unwrap();
        proxy.cut().await;
        assert!(within("the end", LIMIT, round_trip(&mut stream)).await.is_err());
        let mut refused = open(&proxy).await;
        assert!(within("the refusal", LIMIT, round_trip(&mut refused)).await.is_err());
        proxy.flow();
        let mut again = open(&proxy).await;
        within("an echo", LIMIT, round_trip(&mut again)).await.unwrap();
    }

    #[actix_web::test]
    async fn a_stall_holds_back_what_the_server_sends_until_it_flows() {
        let proxy = Proxy::before(&echo().await).await;
        let mut stream = open(&proxy).await;
        round_trip(&mut stream).await.unwrap();
        proxy.stall();
        // Once round the loop that was waiting when the stall began.
        let sent = vec![7; 16 << 20];
        let (mut read, mut write) = stream.into_split();
        let writing = tokio::spawn(async move { write.write_all(&sent).await });
        // 16 MiB fit in no chain of kernel buffers: the echo cannot finish while stalled.
        let stuck = tokio::time::timeout(Duration::from_millis(300), writing).await;
        assert!(stuck.is_err(), "nothing was held back");
        proxy.flow();
        let mut got = vec![0; 1 << 20];
        within("what was held back", LIMIT, read.read_exact(&mut got)).await.unwrap();
    }
}
