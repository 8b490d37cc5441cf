//! One message on its way out, as the pieces that it is made of.

use bytes::Bytes;

/// One message as bytes that stand one behind the other: what many answers share is not copied into each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pieces([Bytes; 3]);

impl Pieces {
    pub(super) const fn new(begin: Bytes, shared: Bytes, end: Bytes) -> Self {
        Self([begin, shared, end])
    }

    /// How many bytes are left.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Takes the next piece that is not empty.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        self.0.iter_mut().find(|piece| !piece.is_empty()).map(std::mem::take)
    }

    /// All of it in one piece.
    pub(crate) fn join(mut self) -> Bytes {
        match &self.0 {
            [_, shared, end] if shared.is_empty() && end.is_empty() => self.next().unwrap_or_default(),
            pieces => pieces.concat().into(),
        }
    }
}

impl From<Bytes> for Pieces {
    fn from(whole: Bytes) -> Self {
        Self::new(whole, Bytes::new(), Bytes::new())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Pieces;

    #[test]
    fn pieces_come_in_their_order_and_empty_ones_do_not() {
        let mut pieces = Pieces::new(Bytes::from("a"), Bytes::new(), Bytes::from("bc"));
        assert_eq!((pieces.len(), pieces.clone().join()), (3, Bytes::from("abc")));
        assert_eq!(pieces.next(), Some(Bytes::from("a")));
        assert_eq!((pieces.len(), pieces.next()), (2, Some(Bytes::from("bc"))));
        assert_eq!((pieces.len(), pieces.next()), (0, None));
    }

    #[test]
    fn what_is_one_piece_is_not_copied() {
        let whole = Bytes::from("whole");
        assert_eq!(Pieces::from(whole.clone()).join().as_ptr(), whole.as_ptr());
        assert!(Pieces::default().join().is_empty());
    }
}
