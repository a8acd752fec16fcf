//! Checks of text that comes from outside, for `#[garde(custom(..))]`.

/// Postgres text holds every character but NUL.
pub fn no_nul<T: AsRef<str>>(value: &T, _: &()) -> garde::Result {
    if value.as_ref().contains('\0') {
        return Err(garde::Error::new("must not contain the NUL character"));
    }
    Ok(())
}

/// Text that says something.
pub fn not_blank<T: AsRef<str>>(value: &T, context: &()) -> garde::Result {
    if value.as_ref().trim().is_empty() {
        return Err(garde::Error::new("must not be blank"));
    }
    no_nul(value, context)
}
