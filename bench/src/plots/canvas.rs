//! What every picture has.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

pub type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

pub const WIDTH: u32 = 900;
/// The height of the titles.
pub const HEAD: u32 = 62;

pub fn canvas<'a>(path: &'a Path, height: u32, titles: [&str; 2]) -> Outcome<Canvas<'a>> {
    let area = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let [title, subtitle] = titles;
    let large = ("sans-serif", 20).into_text_style(&area);
    let small = ("sans-serif", 14).into_text_style(&area);
    area.draw_text(title, &large, (15, 10))?;
    area.draw_text(subtitle, &small, (15, 36))?;
    Ok(area)
}
