import { setField } from "./fields";

const WAIT_MS = 15_000;
const AGE_MS_MAX = 60_000;

/**
 * Offers to tell where the scan was made: asked for only after a tap on its own button, next to the reason.
 * The scan itself never waits for it.
 */
export function offerLocation(form: HTMLFormElement): void {
  const box = form.querySelector<HTMLElement>("[data-location]");
  const button = box?.querySelector<HTMLButtonElement>("button");
  const status = box?.querySelector<HTMLElement>("[role=status]");
  // Browsers give no position to pages that came over plain HTTP.
  if (!box || !button || !status || !window.isSecureContext || !("geolocation" in navigator)) {
    return;
  }
  const words = box.dataset;
  const share = button.textContent ?? "";
  let shared = false;
  box.hidden = false;

  const forget = (): void => {
    for (const name of ["lat", "lng", "accuracy_m", "source"]) {
      setField(form, name, null);
    }
    shared = false;
    button.textContent = share;
  };
  const keep = ({ coords }: GeolocationPosition): void => {
    button.disabled = false;
    if (form.dataset["sent"] !== undefined || form.dataset["body"] !== undefined) {
      // A scan that is under way is sent again unchanged, or it would be another scan.
      return;
    }
    setField(form, "lat", coords.latitude.toFixed(6));
    setField(form, "lng", coords.longitude.toFixed(6));
    setField(form, "accuracy_m", Math.max(1, Math.round(coords.accuracy)).toString());
    setField(form, "source", /MicroMessenger/i.test(navigator.userAgent) ? "wechat" : "gps");
    shared = true;
    button.textContent = words["undo"] ?? "";
    status.textContent = words["shared"] ?? "";
  };
  const refuse = (): void => {
    button.disabled = false;
    status.textContent = words["refused"] ?? "";
  };
  button.addEventListener("click", () => {
    if (shared) {
      forget();
      status.textContent = words["refused"] ?? "";
      return;
    }
    button.disabled = true;
    status.textContent = words["asking"] ?? "";
    navigator.geolocation.getCurrentPosition(keep, refuse, {
      enableHighAccuracy: true,
      maximumAge: AGE_MS_MAX,
      timeout: WAIT_MS,
    });
  });
}
