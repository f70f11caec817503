import { defineConfig } from "vite";

export default defineConfig({
  base: "/static/",
  publicDir: false,
  logLevel: "warn",
  build: {
    outDir: "../web/static/dist",
    emptyOutDir: true,
    manifest: "manifest.json",
    // WeChat's own kernel on old Android phones; older ones get the pages without JavaScript.
    target: ["es2019", "safari13"],
    modulePreload: false,
    // The content security policy allows no data: addresses.
    assetsInlineLimit: 0,
    rolldownOptions: { input: ["src/main.ts", "src/solver.ts", "src/console/main.ts"] },
    chunkSizeWarningLimit: 1500,
  },
});
