// Runs before the page's own script and in any browser: sets the ground of the dark pages, so that opening
// images never flashes white, and says plainly when the browser is too old to go on.
(function () {
  var root = document.documentElement;
  if (/^\/studies\/.+/.test(location.pathname)) root.className = 'dark-ground';
  var chromium = /Chrom(?:e|ium)\/(\d+)/.exec(navigator.userAgent);
  if (chromium && Number(chromium[1]) < 109) {
    document.addEventListener('DOMContentLoaded', function () {
      document.body.textContent =
        '这个浏览器太旧，打不开医联。请装 Chrome 109 或更新的版本（Windows 7 能用的最后一版就是 109）。 ' +
        'This browser is too old for Yilian. Please install Chrome 109 or newer (109 is the last for Windows 7).';
    });
  }
})();
