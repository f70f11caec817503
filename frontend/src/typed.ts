const SEPARATORS = /[\s\p{Pd}\p{Zs}\p{Cf}\u2212\u2043]/gu;
const GROUP = 4;

/**
 * Groups a code in fours while it is typed. An address, or anything else with a sign in it, is left as it is, and what
 * is sent is the same without this.
 */
export function groupTyped(field: HTMLInputElement): void {
  let before = symbolsOf(field.value);
  const regroup = (event: Event): void => {
    const input = event as InputEvent;
    if (input.isComposing || /[^\p{L}\p{N}\s\p{Pd}\p{Zs}\p{Cf}\u2212\u2043]/u.test(field.value)) {
      return;
    }
    let symbols = symbolsOf(field.value);
    let caret = symbolsOf(field.value.slice(0, field.selectionStart ?? field.value.length)).length;
    // Only a space was deleted, and it would be put back: the symbol before it is meant.
    if (input.inputType === "deleteContentBackward" && symbols === before && caret > 0) {
      symbols = symbols.slice(0, caret - 1) + symbols.slice(caret);
      caret -= 1;
    }
    before = symbols;
    field.value = grouped(symbols);
    const at = caret + Math.max(0, Math.ceil(caret / GROUP) - 1);
    field.setSelectionRange(at, at);
  };
  field.addEventListener("input", regroup);
  field.addEventListener("compositionend", regroup);
}

function symbolsOf(text: string): string {
  return text.normalize("NFKC").replace(SEPARATORS, "");
}

function grouped(symbols: string): string {
  return symbols.replace(/(.{4})(?=.)/gu, "$1 ");
}
