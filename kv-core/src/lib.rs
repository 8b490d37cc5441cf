//! One async key-value contract: the Store trait, wrappers, typed collections and the laws every backend obeys.
