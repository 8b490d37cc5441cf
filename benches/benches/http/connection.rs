//! One connection that is kept alive, as raw bytes.

use std::io;

use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::message::{Era, FIRST_ID, INITIALIZE, INITIALIZED, Work, post};

/// A connection with the call that it sends again and again.
pub(crate) struct Connection {
    stream: TcpStream,
    work: Work,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

/// Where the parts of a response in the buffer end.
#[derive(Clone, Copy)]
struct Extent {
    head: usize,
    end: usize,
}

impl Connection {
    /// Connects, and begins a session if the era has them and `sessions` is set; without, a session is only named.
    pub(crate) async fn open(address: &str, era: Era, work: Work, sessions: bool) -> io::Result<Self> {
        let mut this = Self::connect(address, work).await?;
        let session = match era {
            Era::Modern => None,
            Era::Session if sessions => Some(this.handshake(address).await?),
            Era::Session => Some("0123456789abcdef0123456789abcdef".to_owned()),
        };
        this.request = post(address, &era.headers(work, session.as_deref()), &era.request(work, FIRST_ID));
        Ok(this)
    }

    /// Connects, and says nothing yet.
    pub(crate) async fn connect(address: &str, work: Work) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, work, request: Vec::new(), buffer: Vec::with_capacity(4_096) })
    }

    /// Begins a session; its id.
    pub(crate) async fn handshake(&mut self, address: &str) -> io::Result<String> {
        let extent = self.exchange(&post(address, "", INITIALIZE)).await?;
        let head = String::from_utf8_lossy(self.buffer.get(..extent.head).unwrap_or_default()).into_owned();
        self.expect(extent, b"200", b"serverInfo")?;
        let session = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("mcp-session-id").then(|| value.trim().to_owned())
        });
        let session = session.ok_or_else(|| io::Error::other("the server began no session"))?;
        let headers = Era::Session.headers(self.work, Some(&session));
        let extent = self.exchange(&post(address, &headers, INITIALIZED)).await?;
        self.expect(extent, b"202", b"")?;
        Ok(session)
    }

    /// One call and its answer, which is checked; how many bytes the answer's body has.
    pub(crate) async fn call(&mut self, id: u32) -> io::Result<usize> {
        let mut digits = *b"000000000";
        write_id(&mut digits, id);
        let body = memmem::rfind(&self.request, br#""id":"#).map_or(0, |at| at + 5);
        if let Some(place) = self.request.get_mut(body..body + digits.len()) {
            place.copy_from_slice(&digits);
        }
        self.stream.write_all(&self.request).await?;
        let extent = self.receive().await?;
        let answer = self.buffer.get(extent.head..extent.end).unwrap_or_default();
        if memmem::find(answer, &digits).is_none() || memmem::find(answer, br#""result""#).is_none() {
            return Err(self.wrong(extent));
        }
        self.expect(extent, b"200", self.work.expected().as_bytes())?;
        Ok(extent.end - extent.head)
    }

    async fn exchange(&mut self, request: &[u8]) -> io::Result<Extent> {
        self.stream.write_all(request).await?;
        self.receive().await
    }

    /// Checks status and body, and makes room for the next response.
    fn expect(&mut self, extent: Extent, status: &[u8], text: &[u8]) -> io::Result<()> {
        let right = self.buffer.get(9..12) == Some(status)
            && memmem::find(self.buffer.get(extent.head..extent.end).unwrap_or_default(), text).is_some();
        if !right {
            return Err(self.wrong(extent));
        }
        self.buffer.drain(..extent.end);
        Ok(())
    }

    fn wrong(&self, extent: Extent) -> io::Error {
        let response = String::from_utf8_lossy(self.buffer.get(..extent.end).unwrap_or_default());
        io::Error::other(format!("a wrong answer: {response}"))
    }

    async fn receive(&mut self) -> io::Result<Extent> {
        loop {
            if let Some(extent) = extent(&self.buffer) {
                return Ok(extent);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                let seen = String::from_utf8_lossy(&self.buffer);
                return Err(io::Error::other(format!("the server closed the connection after {seen:?}")));
            }
        }
    }
}

pub(crate) fn write_id(digits: &mut [u8; 9], mut id: u32) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(id % 10).unwrap_or_default();
        id /= 10;
    }
}

/// The response at the beginning of `buffer`, if it is complete.
fn extent(buffer: &[u8]) -> Option<Extent> {
    let head = memmem::find(buffer, b"\r\n\r\n")? + 4;
    let fields = buffer.get(..head)?;
    if let Some(length) = field(fields, b"content-length:") {
        let end = head + std::str::from_utf8(length).ok()?.trim().parse::<usize>().ok()?;
        return (buffer.len() >= end).then_some(Extent { head, end });
    }
    if field(fields, b"transfer-encoding:").is_none() {
        return Some(Extent { head, end: head });
    }
    // The last chunk is empty; before it stands the end of the head, or of another chunk.
    let last = memmem::find(buffer.get(head - 2..)?, b"\r\n0\r\n\r\n")?;
    Some(Extent { head, end: head - 2 + last + 7 })
}

fn field<'a>(fields: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    fields.split(|byte| *byte == b'\n').find_map(|line| {
        let (start, value) = line.split_at_checked(name.len())?;
        start.eq_ignore_ascii_case(name).then_some(value)
    })
}
