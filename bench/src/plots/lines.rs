//! Lines between points, on two logarithmic axes.

use std::path::Path;

use plotters::coord::combinators::BindKeyPoints;
use plotters::prelude::*;

use super::canvas::{canvas, Canvas, Outcome, HEAD, WIDTH};

pub struct Axis {
    pub name: &'static str,
    /// Those outside of what is drawn are left out.
    pub ticks: &'static [f64],
}

pub struct Series {
    pub name: String,
    pub color: RGBColor,
    pub points: Vec<(f64, f64)>,
}

pub struct Lines {
    pub title: &'static str,
    pub subtitle: &'static str,
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
}

/// The width of the legend.
const LEGEND: u32 = 115;

impl Lines {
    pub fn draw(&self, path: &Path) -> Outcome {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let ends = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::INFINITY, 0.0_f64), |(low, high), it| {
                (low.min(it), high.max(it))
            })
        };
        let (first, last) = ends(&mut points().map(|point| point.0));
        let (least, most) = ends(&mut points().map(|point| point.1));
        if self.series.is_empty() {
            return Ok(());
        }
        let area = canvas(path, 440, [self.title, self.subtitle])?;
        let x = (first / 1.1..last * 1.1).log_scale();
        let y = (least / 1.5..most * 1.5).log_scale();
        let within = |ticks: &[f64], low, high| {
            let ticks = ticks.iter().copied();
            ticks.filter(|it| (low..high).contains(it)).collect()
        };
        let mut chart = ChartBuilder::on(&area)
            .margin_top(HEAD)
            .margin_right(LEGEND)
            .margin_left(12)
            .margin_bottom(5)
            .x_label_area_size(45)
            .y_label_area_size(65)
            .build_cartesian_2d(
                x.with_key_points(within(self.x.ticks, first / 1.1, last * 1.1)),
                y.with_key_points(within(self.y.ticks, least / 1.5, most * 1.5)),
            )?;
        let number = |value: &f64| format!("{value}");
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_labels(20)
            .y_labels(20)
            .x_label_formatter(&number)
            .y_label_formatter(&number)
            .x_desc(self.x.name)
            .y_desc(self.y.name)
            .axis_desc_style(("sans-serif", 15))
            .label_style(("sans-serif", 13))
            .draw()?;
        for (index, series) in self.series.iter().enumerate() {
            let (points, color) = (&series.points, series.color);
            // Thinner from one to the next, so that lines that coincide are all seen.
            let width = (self.series.len() - index) as u32 + 1;
            let dots = points.iter();
            let dots = dots.map(|&point| Circle::new(point, 1 + width, color.filled()));
            chart.draw_series(dots)?;
            chart.draw_series(LineSeries::new(points.clone(), color.stroke_width(width)))?;
        }
        self.draw_legend(&area)?;
        area.present()?;
        Ok(())
    }

    /// Names the series, those whose lines end higher first.
    fn draw_legend(&self, area: &Canvas) -> Outcome {
        let mut series: Vec<&Series> = self.series.iter().collect();
        let end = |series: &Series| series.points.last().map_or(0.0, |point| point.1);
        series.sort_by(|a, b| end(b).total_cmp(&end(a)));
        let left = (WIDTH - LEGEND + 12) as i32;
        let style = ("sans-serif", 14).into_text_style(area);
        for (index, series) in series.into_iter().enumerate() {
            let y = HEAD as i32 + 12 + 24 * index as i32;
            let line = vec![(left, y), (left + 20, y)];
            area.draw(&PathElement::new(line, series.color.stroke_width(4)))?;
            area.draw_text(&series.name, &style, (left + 28, y - 7))?;
        }
        Ok(())
    }
}
