/** Sets a hidden field of a form, making it where it is missing; null takes it away. */
export function setField(form: HTMLFormElement, name: string, value: string | null): void {
  let field = form.querySelector<HTMLInputElement>(`input[type=hidden][name="${name}"]`);
  if (value === null) {
    field?.remove();
    return;
  }
  if (field === null) {
    field = document.createElement("input");
    field.type = "hidden";
    field.name = name;
    form.append(field);
  }
  field.value = value;
}
