// One colour for each visit, the same in pictures, on the map and beside carts. Okabe and Ito's colours, told apart by colour-blind people too.
export const COLOURS = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"];
export const NOBODY = "#d0d4cc";

/** Return the colour of a visit by its number. */
export const colourOf = (number) => (number === undefined || number === null ? NOBODY : COLOURS[number % COLOURS.length]);
