//! Horizontal bars with whiskers, in groups.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{canvas, Outcome, HEAD};
use crate::figures::spread;
use crate::stats::Summary;

pub struct Bar {
    pub name: String,
    pub value: Summary,
    pub color: RGBColor,
}

pub struct BarGroup {
    pub name: String,
    /// In place of bars, if there are none.
    pub note: &'static str,
    pub bars: Vec<Bar>,
}

pub struct Bars {
    pub title: &'static str,
    pub subtitle: &'static str,
    pub axis: &'static str,
    pub groups: Vec<BarGroup>,
    /// A vertical line.
    pub mark: Option<(f64, RGBColor)>,
    /// What the values are divided by.
    pub scale: f64,
}

/// Where a text is, seen from its point.
const LEFT_OF: Pos = Pos {
    h_pos: HPos::Right,
    v_pos: VPos::Center,
};
const RIGHT_OF: Pos = Pos {
    h_pos: HPos::Left,
    v_pos: VPos::Center,
};

/// Left of the bars.
const NAMES: u32 = 250;
/// Of a bar or a heading.
const LINE: u32 = 22;
/// Below the bars.
const FOOT: u32 = 42;
/// Right of the bars, where their values are.
const VALUES: u32 = 150;

impl Bars {
    pub fn draw(&self, path: &Path) -> Outcome {
        let lines: usize = self.groups.iter().map(|group| group.bars.len() + 1).sum();
        let bars = || self.groups.iter().flat_map(|group| &group.bars);
        // A whisker may leave the picture; the bars and the mark may not.
        let mark = self.mark.map_or(0.0, |(mark, _)| mark);
        let longest = bars().map(|bar| bar.value.median / self.scale);
        let longest = longest.fold(mark, f64::max) * 1.05;
        let decimals = if longest < 5.0 { 1 } else { 0 };
        if lines == 0 {
            return Ok(());
        }
        let height = HEAD + LINE * lines as u32 + FOOT;
        let area = canvas(path, height, [self.title, self.subtitle])?;
        let mut chart = ChartBuilder::on(&area)
            .margin_top(HEAD)
            .margin_right(VALUES)
            .y_label_area_size(NAMES)
            .x_label_area_size(FOOT)
            // Downwards, as text is read.
            .build_cartesian_2d(0.0..longest, lines as f64..0.0)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .light_line_style(TRANSPARENT)
            .y_labels(0)
            .x_label_formatter(&|x| format!("{x:.decimals$}"))
            .x_desc(self.axis)
            .axis_desc_style(("sans-serif", 15))
            .label_style(("sans-serif", 13))
            .draw()?;
        if let Some((x, color)) = self.mark {
            let ends = vec![(x, 0.0), (x, lines as f64)];
            chart.draw_series([PathElement::new(ends, color.stroke_width(2))])?;
        }
        let mut line = 0.0;
        for group in &self.groups {
            let (_, y) = chart.backend_coord(&(0.0, line + 0.55));
            let heading = ("sans-serif", 14, FontStyle::Bold).into_text_style(&area);
            area.draw_text(&group.name, &heading.pos(RIGHT_OF), (15, y))?;
            if group.bars.is_empty() {
                let note = ("sans-serif", 14).into_text_style(&area);
                area.draw_text(group.note, &note.pos(RIGHT_OF), (NAMES as i32 + 8, y))?;
            }
            line += 1.0;
            for bar in &group.bars {
                let value = bar.value.map(|it| it / self.scale);
                let bottom_right = (value.median, line + 0.82);
                let rectangle = Rectangle::new(
                    [(0.0, line + 0.18), bottom_right],
                    bar.color.mix(0.65).filled(),
                );
                let whisker = vec![(value.low, line + 0.5), (value.high, line + 0.5)];
                chart.draw_series([rectangle])?;
                chart.draw_series([PathElement::new(whisker, BLACK)])?;

                let (left, y) = chart.backend_coord(&(0.0, line + 0.5));
                let (right, _) = chart.backend_coord(&(longest, line));
                let label = ("sans-serif", 14).into_text_style(&area);
                area.draw_text(&bar.name, &label.pos(LEFT_OF), (left - 8, y))?;
                area.draw_text(&spread(value), &label.pos(RIGHT_OF), (right + 10, y))?;
                line += 1.0;
            }
        }
        area.present()?;
        Ok(())
    }
}
