//! PDF: the text of its pages, and where each page begins.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pdf_extract::{Document as Pdf, Error, output_doc, output_doc_page};

use super::layout::Layout;
use super::{Document, Limits, Refused};

/// Most bytes of operators on a page; a page of prose has a few thousand.
const PAGE_BYTES_MAX: usize = 32 << 20;

pub(super) fn read(bytes: &[u8], limits: Limits) -> Result<Document, Refused> {
    let pdf = open(bytes)?;
    let pages = pdf.page_iter().take(limits.pages + 1).count();
    if pages > limits.pages {
        return Err(Refused::because(format!("the PDF has more than {} pages", limits.pages)));
    }
    bounded_pages(&pdf)?;
    let mut layout = Layout::new(limits);
    // The library takes fonts and content as the standard has them and panics
    // where they are not; such a page is read in a simpler way.
    let smooth = catch_unwind(AssertUnwindSafe(|| output_doc(&pdf, &mut layout)));
    if !matches!(smooth, Ok(Ok(()))) {
        recover(&pdf, &mut layout, pages)?;
    }
    let (text, pages) = layout.finish();
    Ok(Document { title: None, text, pages: Some(pages) })
}

/// Refuses pages that are huge when they are unpacked. The library takes a page
/// that hits the memory limit for one that ends there, so this looks first.
fn bounded_pages(pdf: &Pdf) -> Result<(), Refused> {
    for (page, number) in pdf.page_iter().zip(1..) {
        if pdf.get_page_content(page).is_ok_and(|content| content.len() > PAGE_BYTES_MAX) {
            let most = PAGE_BYTES_MAX >> 20;
            return Err(Refused::because(format!(
                "page {number} of the PDF takes more than {most} MB of memory"
            )));
        }
    }
    Ok(())
}

fn open(bytes: &[u8]) -> Result<Pdf, Refused> {
    let mut pdf = Pdf::load_mem(bytes).map_err(|error| unreadable(&error))?;
    if pdf.is_encrypted() {
        // Many are readable by everybody and protect only against changes.
        pdf.decrypt("").map_err(|error| unreadable(&error))?;
    }
    if pdf.page_iter().next().is_none() {
        return Err(Refused::because("the PDF is damaged: it has no pages"));
    }
    Ok(pdf)
}

fn unreadable(error: &Error) -> Refused {
    match error {
        Error::Decryption(_) | Error::InvalidPassword => {
            Refused::because("the PDF is protected by a password; send it without one")
        }
        error => Refused::because(format!("the PDF is damaged: {error}")),
    }
}

/// Goes on with the page at which reading stopped, page by page.
fn recover(pdf: &Pdf, layout: &mut Layout, pages: usize) -> Result<(), Refused> {
    if let Some(refused) = layout.refused() {
        return Err(refused);
    }
    if layout.page() == 0 {
        layout.turn();
    }
    read_simply(pdf, layout)?;
    while layout.page() < pages {
        let next = layout.page() + 1;
        let number = u32::try_from(next).unwrap_or(u32::MAX);
        let smooth = catch_unwind(AssertUnwindSafe(|| output_doc_page(pdf, layout, number)));
        if let Some(refused) = layout.refused() {
            return Err(refused);
        }
        if !matches!(smooth, Ok(Ok(()))) {
            if layout.page() < next {
                layout.turn();
            }
            read_simply(pdf, layout)?;
        }
    }
    Ok(())
}

/// Reads the page at hand without regard to where its letters stand.
fn read_simply(pdf: &Pdf, layout: &mut Layout) -> Result<(), Refused> {
    let page = layout.page();
    let number = u32::try_from(page).unwrap_or(u32::MAX);
    let words = catch_unwind(AssertUnwindSafe(|| pdf.extract_text(&[number])));
    match words {
        // The library says in the text itself when it does not know a font's letters.
        Ok(Ok(words)) if !words.contains(" Unimplemented?") => layout.replace_page(&words),
        _ => Err(Refused::because(format!("page {page} of the PDF cannot be read"))),
    }
}
