// The memory behind a processor: an AXI4 slave that answers in order, with a latency and a pace.
//
//   +memory=FILE      its content from address 0 on; the rest is zero
//   +latency=CYCLES   from the acceptance of an address to the first beat: 2 and so many more (default: 0)
//   +pause=CYCLES     between beats (default: 0)
//   +jitter=CYCLES    by so many, at most, are both longer now and then, at random, and the response to a write later;
//                     nor is everything accepted at once (default: 0)
//   +silent=ADDRESS   of a burst that is written, but never answered (default: none)
//   +result=FILE      where its content goes when the simulation ends
//
// A burst that leads beyond the memory is answered with DECERR, and changes nothing. Beside the bus there is a port for
// words, which are read and written at once.
module memory #(
    parameter int WIDTH = 128,      // bits of a beat
    parameter int BEATS = 1 << 20   // of the memory
) (
    input  logic               clk,
    input  logic               rst,
    input  logic               stopped,         // while high, nothing that is asked on the bus is answered

    input  logic [31:0]        word_address,    // in bytes, of a whole word
    input  logic [31:0]        word_wdata,
    input  logic [3:0]         word_wstrb,      // written in this cycle
    output logic [31:0]        word_rdata,
    output logic               word_there,      // the memory does not end before it

    input  logic [31:0]        araddr,
    input  logic [7:0]         arlen,
    input  logic               arvalid,
    output logic               arready,
    output logic [WIDTH-1:0]   rdata,
    output logic [1:0]         rresp,
    output logic               rlast,
    output logic               rvalid,
    input  logic               rready,

    input  logic [31:0]        awaddr,
    input  logic [7:0]         awlen,
    input  logic               awvalid,
    output logic               awready,
    input  logic [WIDTH-1:0]   wdata,
    input  logic [WIDTH/8-1:0] wstrb,
    input  logic               wlast,
    input  logic               wvalid,
    output logic               wready,
    output logic [1:0]         bresp,
    output logic               bvalid,
    input  logic               bready
);
    localparam int BYTES = WIDTH / 8;
    localparam int QUEUE = 64;
    localparam logic [1:0] OKAY = 0, DECERR = 3;

    // The first byte of a beat is its lowest.
    logic [WIDTH-1:0] content [BEATS];
    int latency = 0, pause = 0, jitter = 0;
    longint silent = -1;
    string file;

    initial begin
        void'($value$plusargs("latency=%d", latency));
        void'($value$plusargs("pause=%d", pause));
        void'($value$plusargs("jitter=%d", jitter));
        void'($value$plusargs("silent=%d", silent));
        for (int beat = 0; beat < BEATS; beat++) content[beat] = '0;
        if ($value$plusargs("memory=%s", file)) begin
            automatic int descriptor = $fopen(file, "rb");
            if (descriptor == 0) $fatal(1, "there is no file %s", file);
            void'($fread(content, descriptor));
            $fclose(descriptor);
            // $fread fills a word from its highest byte on.
            for (int beat = 0; beat < BEATS; beat++) content[beat] = {<<8{content[beat]}};
        end
    end
    final
        if ($value$plusargs("result=%s", file)) begin
            automatic int descriptor = $fopen(file, "wb");
            for (int beat = 0; beat < BEATS; beat++)
                for (int part = 0; part < WIDTH; part += 32) $fwrite(descriptor, "%u", content[beat][part +: 32]);
            $fclose(descriptor);
        end

    // Every fourth time or so.
    function automatic int late();
        return $urandom_range(3) == 0 ? $urandom_range(jitter) : 0;
    endfunction

    logic refuse_ar, refuse_aw, refuse_w;
    always_ff @(posedge clk) begin
        refuse_ar <= jitter != 0 && $urandom_range(3) == 0;
        refuse_aw <= jitter != 0 && $urandom_range(3) == 0;
        refuse_w <= jitter != 0 && $urandom_range(3) == 0;
    end

    // Reads: bursts that were accepted, and the cycle from which on each may be answered.
    longint cycle;
    logic [31:0] addresses [QUEUE];
    logic [7:0] lengths [QUEUE];
    longint due [QUEUE];
    logic [$clog2(QUEUE)-1:0] first, behind;
    logic [7:0] beat;
    int waiting;
    wire logic [31:0] read = addresses[first] / BYTES + 32'(beat);
    assign arready = behind + 1'b1 != first && !refuse_ar;

    always_ff @(posedge clk) begin
        cycle <= cycle + 1;
        if (waiting != 0) waiting <= waiting - 1;
        if (arvalid && arready) begin
            addresses[behind] <= araddr;
            lengths[behind] <= arlen;
            due[behind] <= cycle + longint'(latency + late());
            behind <= behind + 1'b1;
        end
        if (!rvalid || rready) begin
            rvalid <= 0;
            if (first != behind && due[first] < cycle && waiting == 0 && !stopped) begin
                rvalid <= 1;
                rlast <= beat == lengths[first];
                rresp <= read < BEATS ? OKAY : DECERR;
                rdata <= read < BEATS ? content[read[$clog2(BEATS)-1:0]] : '0;
                waiting <= pause + late();
                beat <= beat + 1'b1;
                if (beat == lengths[first]) begin
                    first <= first + 1'b1;
                    beat <= 0;
                end
            end
        end
        if (rst) begin
            cycle <= 0;
            first <= 0;
            behind <= 0;
            beat <= 0;
            waiting <= 0;
            rvalid <= 0;
        end
    end

    wire logic [$clog2(BEATS)-1:0] word_beat = word_address[$clog2(BYTES) +: $clog2(BEATS)];
    wire logic [$clog2(WIDTH)-1:0] word_bit = {word_address[$clog2(BYTES)-1:2], 5'b0};
    assign word_rdata = content[word_beat][word_bit +: 32];
    assign word_there = word_address / BYTES < BEATS;

    // Writes: one burst at a time.
    logic writing, answering, mute;
    logic [31:0] write;
    int left;
    assign awready = !writing && !answering && !bvalid && !refuse_aw;
    assign wready = writing && !refuse_w;

    always_ff @(posedge clk) begin
        if (bready) bvalid <= 0;
        if (answering && !mute && !stopped) begin
            left <= left - 1;
            if (left == 0) begin
                answering <= 0;
                bvalid <= 1;
            end
        end
        if (awvalid && awready) begin
            writing <= 1;
            write <= awaddr / BYTES;
            mute <= longint'(awaddr) == silent;
            bresp <= awaddr / BYTES + 32'(awlen) < BEATS ? OKAY : DECERR;
        end
        for (int lane = 0; lane < 4; lane++)
            if (word_wstrb[lane]) content[word_beat][word_bit + 8*lane +: 8] <= word_wdata[8*lane +: 8];
        if (wvalid && wready) begin
            if (bresp == OKAY)
                for (int lane = 0; lane < BYTES; lane++)
                    if (wstrb[lane]) content[write[$clog2(BEATS)-1:0]][8*lane +: 8] <= wdata[8*lane +: 8];
            write <= write + 1;
            if (wlast) begin
                writing <= 0;
                answering <= 1;
                left <= late();
            end
        end
        if (rst) begin
            writing <= 0;
            answering <= 0;
            bvalid <= 0;
        end
    end
endmodule
